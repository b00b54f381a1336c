package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/command"
)

func init() {
	scenarios["shell-output"] = shellOutput
	scenarios["shell-plain-text"] = shellPlain
	scenarios["shell-exit-code"] = shellExitCode
	scenarios["shell-stderr"] = shellStderr
	scenarios["shell-odd-bytes"] = shellOddBytes
	scenarios["shell-cwd-envs"] = shellCwdEnvs
	scenarios["shell-timeout"] = shellTimeout
	scenarios["shell-background"] = shellBackground
	scenarios["shell-no-output"] = shellSilent
	scenarios["shell-big-output"] = shellBig
	scenarios["shell-parallel"] = shellParallel
}

// execute runs a command in the shared session.
func (b *bench) execute(line string, options ...any) (*command.CommandResult, error) {
	session, err := b.session("")
	if err != nil {
		return nil, err
	}
	if len(options) == 0 {
		options = []any{command.WithTimeoutMs(30000)}
	}
	result, err := session.Command.ExecuteCommand(line, options...)
	if result == nil && err == nil {
		err = fmt.Errorf("neither result nor error")
	}
	return result, err
}

func shellOutput(b *bench) error {
	text := "erste Zeile: grüße\n世界 🚢\n\tTab und \"quotes\" <b>&amp; und \\back\\\n"
	session, folder, err := b.folder("", "output")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "cat > "+folder+"/text <<'END'\n"+text+"END"); err != nil {
		return err
	}
	got, err := b.execute("cat " + folder + "/text")
	if err != nil {
		return err
	}
	return must(got.Success && got.Stdout == text, "got %q", got.Stdout)
}

func shellPlain(b *bench) error {
	got, err := b.execute("echo out; echo err >&2")
	if err != nil {
		return err
	}
	return must(got.Success && got.Stdout == "out\n" && got.Stderr == "err\n", "got %+v", *got)
}

func shellExitCode(b *bench) error {
	for line, code := range map[string]int{"true": 0, "echo some words; exit 7": 7, "no-such-program": 127} {
		got, err := b.execute(line)
		if err != nil {
			return err
		}
		if err := must(got.ExitCode == code && got.Success == (code == 0), "%s: %+v", line, *got); err != nil {
			return err
		}
	}
	return nil
}

func shellStderr(b *bench) error {
	got, err := b.execute("echo out; echo err >&2; echo more; exit 3")
	if err != nil {
		return err
	}
	return must(got.Stdout == "out\nmore\n" && got.Stderr == "err\n" && got.ExitCode == 3, "got %+v", *got)
}

func shellOddBytes(b *bench) error {
	got, err := b.execute(`printf 'a\000b\001c\033[0m\n'`)
	if err != nil {
		return err
	}
	return must(got.Stdout == "a\x00b\x01c\x1b[0m\n", "got %q", got.Stdout)
}

func shellCwdEnvs(b *bench) error {
	envs := map[string]string{"COLOUR": `dark $HOME "blue"`}
	got, err := b.execute("pwd; echo $COLOUR", command.WithCwd("/var/tmp"), command.WithEnvs(envs))
	if err != nil {
		return err
	}
	after, err := b.execute("pwd; echo [$COLOUR]")
	if err != nil {
		return err
	}
	return first(must(got.Stdout == "/var/tmp\ndark $HOME \"blue\"\n", "got %q", got.Stdout), must(after.Stdout == "/home/wuying\n[]\n", "after: %q", after.Stdout))
}

func shellTimeout(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	began := time.Now()
	got, err := b.execute("(setsid sleep 987 >/dev/null 2>&1 &) ; sleep 986", command.WithTimeoutMs(1500))
	text := told(err)
	if got != nil {
		text += got.ErrorMessage + got.Stderr
	}
	left, failed := plainShell(session.SessionID, "pgrep -fc 'sleep 98[67]$' || true")
	return first(failed, must(got == nil || !got.Success, "it succeeded"), must(time.Since(began) < 20*time.Second, "it took %s", time.Since(began)),
		must(strings.Contains(strings.ToLower(text), "time"), "it says %q", text), must(strings.TrimSpace(left) == "0", "left: %s", left))
}

func shellBackground(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	got, err := b.execute("setsid sleep 654 >/dev/null 2>&1 & echo parent done")
	if err != nil {
		return err
	}
	if err := must(got.Stdout == "parent done\n", "got %q", got.Stdout); err != nil {
		return err
	}
	defer func() { _, _ = plainShell(session.SessionID, "pkill -f 'sleep 654$'") }()
	return until("the child runs", func() bool {
		count, err := plainShell(session.SessionID, "pgrep -fc 'sleep 654$' || true")
		return err == nil && strings.TrimSpace(count) == "1"
	})
}

func shellSilent(b *bench) error {
	session, folder, err := b.folder("", "silent")
	if err != nil {
		return err
	}
	got, err := b.execute("touch " + folder + "/done")
	if err != nil {
		return err
	}
	files, err := plainShell(session.SessionID, "ls "+folder)
	return first(err, must(got.Success && got.Stdout == "", "got %+v", *got), must(files == "done\n", "there is %q", files))
}

func shellBig(b *bench) error {
	session, folder, err := b.folder("", "big")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "seq -f 'line %.0f' 95000 > "+folder+"/lines"); err != nil {
		return err
	}
	wanted, err := checksum(session.SessionID, folder+"/lines")
	if err != nil {
		return err
	}
	got, err := b.execute("cat " + folder + "/lines")
	if err != nil {
		return err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(got.Stdout)))
	return must(len(got.Stdout) > 1_000_000 && sum == wanted, "%d bytes, another checksum", len(got.Stdout))
}

func shellParallel(b *bench) error {
	if _, err := b.session(""); err != nil {
		return err
	}
	began, wrong := time.Now(), make(chan error, 20)
	for n := range 20 {
		go func() {
			got, err := b.execute(fmt.Sprintf("sleep 1; echo answer %d", n))
			if err == nil {
				err = must(got.Stdout == fmt.Sprintf("answer %d\n", n), "call %d got %q", n, got.Stdout)
			}
			wrong <- err
		}()
	}
	for range 20 {
		if err := <-wrong; err != nil {
			return err
		}
	}
	return must(time.Since(began) < 15*time.Second, "%s for twenty times one second", time.Since(began))
}
