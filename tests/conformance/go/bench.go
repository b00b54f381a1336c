package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay"
	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/command"
)

const codeImage = "code_latest"

// bench is what a scenario works with.
type bench struct {
	bay    *agentbay.AgentBay
	column string
	shared map[string]*agentbay.Session
	extra  []*agentbay.Session
}

func newBench() (*bench, error) {
	bay, err := agentbay.NewAgentBay("")
	if err != nil {
		return nil, err
	}
	column := os.Getenv("ROADSTEAD_CONFORMANCE_COLUMN")
	if column == "" {
		column = "by-hand"
	}
	return &bench{bay: bay, column: column, shared: map[string]*agentbay.Session{}}, nil
}

// create makes a session of the scenario's own; it is ended afterwards if the scenario did not do it.
func (b *bench) create(image string, labels ...string) (*agentbay.Session, error) {
	all := map[string]string{"conformance": b.column}
	for n := 0; n+1 < len(labels); n += 2 {
		all[labels[n]] = labels[n+1]
	}
	params := agentbay.NewCreateSessionParams().WithLabels(all)
	if image != "" {
		params.WithImageId(image)
	}
	result, err := b.bay.Create(params)
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	if result.Session == nil {
		return nil, fmt.Errorf("create: no session: %s", result.ErrorMessage)
	}
	b.extra = append(b.extra, result.Session)
	return result.Session, nil
}

// session is the shared one of an image.
func (b *bench) session(image string) (*agentbay.Session, error) {
	if session := b.shared[image]; session != nil {
		return session, nil
	}
	session, err := b.create(image)
	if err != nil {
		return nil, err
	}
	b.extra = b.extra[:len(b.extra)-1]
	b.shared[image] = session
	return session, nil
}

// tidy ends what the scenario left; after a failure the shared sessions too, as nobody knows what it did to them.
func (b *bench) tidy(broken bool) {
	leaving := b.extra
	b.extra = nil
	if broken {
		for _, session := range b.shared {
			leaving = append(leaving, session)
		}
		b.shared = map[string]*agentbay.Session{}
	}
	for _, session := range leaving {
		_, _ = ask("ReleaseMcpSession", "SessionId", session.SessionID)
	}
}

// sh is the output of a command that must succeed, by the SDK.
func (b *bench) sh(session *agentbay.Session, line string) (string, error) {
	result, err := session.Command.ExecuteCommand(line, command.WithTimeoutMs(30000))
	if err != nil {
		return "", fmt.Errorf("%s: %w", line, err)
	}
	if !result.Success {
		return "", fmt.Errorf("%s: exit code %d: %s", line, result.ExitCode, result.Stderr)
	}
	return result.Stdout, nil
}

// folder is an empty directory in the shared session of an image.
func (b *bench) folder(image, name string) (*agentbay.Session, string, error) {
	session, err := b.session(image)
	if err != nil {
		return nil, "", err
	}
	path := "/tmp/conformance/" + name
	_, err = plainShell(session.SessionID, "rm -rf "+path+" && mkdir -p "+path+" && echo made")
	return session, path, err
}

// until waits for something to become true.
func until(what string, check func() bool) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if check() {
			return nil
		}
	}
	return fmt.Errorf("not within 30 s: %s", what)
}

func saysNotFound(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "not found") || strings.Contains(text, "notfound") || strings.Contains(text, "no session")
}

// told is the text of an error, or nothing.
func told(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
