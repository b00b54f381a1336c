// The Go column of the conformance suite: every scenario against the released SDK, one JSON line each.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay"
)

const module = "github.com/aliyun/wuying-agentbay-sdk/golang"

// absent says that the SDK at this version has no such call.
type absent string

func (a absent) Error() string { return string(a) }

// scenarios are registered by the files of this program under their ids of scenarios.toml.
var scenarios = map[string]func(*bench) error{}

func main() {
	report := takeStandardOutput()
	say := func(line map[string]any) {
		text, _ := json.Marshal(line)
		fmt.Fprintln(report, string(text))
	}
	say(map[string]any{"sdk": "go", "version": installedVersion(), "mode": "sync"})
	agentbay.SetLogLevel(3)

	bench, err := newBench()
	for _, name := range wanted() {
		began := time.Now()
		status, detail := "pass", ""
		if err == nil {
			status, detail = run(bench, name)
		} else {
			status, detail = "fail", err.Error()
		}
		say(map[string]any{"scenario": name, "status": status, "detail": short(detail), "ms": time.Since(began).Milliseconds()})
	}
	if err == nil {
		bench.tidy(true)
	}
}

// run runs one scenario and leaves nothing of it behind.
func run(bench *bench, name string) (status, detail string) {
	scenario, known := scenarios[name]
	if !known {
		return "absent", "the Go SDK has no such call"
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			status, detail = "fail", fmt.Sprintf("panic: %v", panicked)
		}
		bench.tidy(status == "fail")
	}()
	err := scenario(bench)
	var missing absent
	switch {
	case err == nil:
		return "pass", ""
	case errors.As(err, &missing):
		return "absent", string(missing)
	default:
		return "fail", err.Error()
	}
}

// takeStandardOutput keeps standard output for the report: the SDK prints to it too.
func takeStandardOutput() *os.File {
	kept, err := syscall.Dup(1)
	if err != nil {
		panic(err)
	}
	if err := syscall.Dup2(2, 1); err != nil {
		panic(err)
	}
	return os.NewFile(uintptr(kept), "report")
}

// installedVersion is what the build really contains.
func installedVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			if dependency.Replace != nil {
				return "replaced"
			}
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "none"
}

func wanted() []string {
	if list := os.Getenv("ROADSTEAD_CONFORMANCE_SCENARIOS"); list != "" {
		return strings.Split(list, ",")
	}
	var all []string
	for name := range scenarios {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}

func short(text string) string {
	text = strings.ReplaceAll(text, "\n", " ⏎ ")
	if runes := []rune(text); len(runes) > 500 {
		return string(runes[:500])
	}
	return text
}

// must says what was expected and what came.
func must(holds bool, format string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, values...)
}

// first is the first failure of several checks.
func first(checks ...error) error {
	for _, check := range checks {
		if check != nil {
			return check
		}
	}
	return nil
}
