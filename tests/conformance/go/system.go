package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay"
	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/computer"
	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/pty"
)

func init() {
	scenarios["env-set-get"] = envSetGet
	scenarios["metrics"] = metrics
	scenarios["pty-run"] = ptyRun
	scenarios["pty-list-connect"] = ptyListConnect
	scenarios["pty-resize"] = ptyResize
	scenarios["pty-kill"] = ptyKill
	scenarios["refuse-screen"] = refuse(func(s *agentbay.Session) string { return s.Computer.BetaTakeScreenshot().ErrorMessage })
	scenarios["refuse-mouse"] = refuse(func(s *agentbay.Session) string {
		return s.Computer.ClickMouse(1, 1, computer.MouseButtonLeft).ErrorMessage
	})
	scenarios["refuse-windows"] = refuse(func(s *agentbay.Session) string { _, err := s.Computer.ListRootWindows(); return told(err) })
	scenarios["refuse-mobile"] = refuse(func(s *agentbay.Session) string { return s.Mobile.Tap(1, 1).ErrorMessage })
	scenarios["context-none"] = contextNone
}

func envSetGet(b *bench) error {
	session, err := b.create("")
	if err != nil {
		return err
	}
	set, err := session.Env.Set(map[string]string{"COLOUR": "dunkel $HOME \"blau\"", "OTHER": "x"})
	if err != nil {
		return err
	}
	seen, err := b.sh(session, "echo $COLOUR")
	if err != nil {
		return err
	}
	got, err := session.Env.Get("COLOUR")
	if err != nil {
		return err
	}
	return first(must(set.Success, "set: %s", set.ErrorMessage), must(seen == "dunkel $HOME \"blau\"\n", "a command sees %q", seen),
		must(len(got.Envs) == 1 && got.Envs["COLOUR"] == "dunkel $HOME \"blau\"", "got %v", got.Envs))
}

func metrics(b *bench) error {
	session, err := b.create("")
	if err != nil {
		return err
	}
	before, err := session.GetMetrics()
	if err != nil || before.Metrics == nil {
		return fmt.Errorf("before: %v", err)
	}
	hold := `(setsid python3 -c "x = b'x' * (100 << 20); open('/tmp/held', 'w'); import time; time.sleep(60)" >/dev/null 2>&1 &); until [ -e /tmp/held ]; do sleep 0.05; done`
	if _, err := b.sh(session, hold); err != nil {
		return err
	}
	after, err := session.GetMetrics()
	if err != nil || after.Metrics == nil {
		return fmt.Errorf("after: %v", err)
	}
	risen := after.Metrics.MemUsed - before.Metrics.MemUsed
	return first(must(after.Metrics.CpuCount >= 1 && after.Metrics.MemTotal > 100<<20 && after.Metrics.DiskTotal > 0, "got %+v", *after.Metrics),
		must(risen > 90<<20 && risen < 400<<20, "memory rose by %d", risen))
}

// screen is what a terminal wrote.
type screen struct {
	lock sync.Mutex
	text strings.Builder
}

func (s *screen) write(data []byte) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.text.Write(data)
}

func (s *screen) shows(text string) func() bool {
	return func() bool {
		s.lock.Lock()
		defer s.lock.Unlock()
		return strings.Contains(s.text.String(), text)
	}
}

func (b *bench) terminal() (*agentbay.Session, *pty.PtyHandle, *screen, error) {
	session, err := b.session("")
	if err != nil {
		return nil, nil, nil, err
	}
	shown := &screen{}
	handle, err := session.Pty.Create(pty.CreateOptions{Cols: 100, Rows: 30, OnData: shown.write})
	return session, handle, shown, err
}

func ptyRun(b *bench) error {
	_, handle, shown, err := b.terminal()
	if err != nil {
		return err
	}
	// The answer is not in what is typed, which the terminal shows too.
	if err := handle.SendInput([]byte("echo answer $((6 * 7)); tty\n")); err != nil {
		return err
	}
	if err := first(until("the answer", shown.shows("answer 42")), until("a terminal", shown.shows("/dev/pts/"))); err != nil {
		return err
	}
	if err := handle.SendInput([]byte("exit 5\n")); err != nil {
		return err
	}
	code, err := handle.Wait(20000)
	return first(err, must(code == 5, "exit code %d", code))
}

func ptyListConnect(b *bench) error {
	session, handle, _, err := b.terminal()
	if err != nil {
		return err
	}
	id := handle.PtySessionID()
	defer func() { _ = session.Pty.KillSession(id) }()
	list, err := session.Pty.List()
	if err != nil {
		return err
	}
	listed := false
	for _, one := range list {
		listed = listed || one.PtySessionID == id
	}
	handle.Disconnect()
	shown := &screen{}
	again, err := session.Pty.Connect(id, shown.write)
	if err != nil {
		return err
	}
	if err := again.SendInput([]byte("echo back $((40 + 2))\n")); err != nil {
		return err
	}
	return first(must(listed, "%s is not in %v", id, list), until("the answer", shown.shows("back 42")))
}

func ptyResize(b *bench) error {
	_, handle, shown, err := b.terminal()
	if err != nil {
		return err
	}
	defer func() { _ = handle.Kill() }()
	if err := handle.SendInput([]byte("stty size\n")); err != nil {
		return err
	}
	if err := until("the size", shown.shows("30 100")); err != nil {
		return err
	}
	if err := handle.Resize(77, 22); err != nil {
		return err
	}
	return until("the new size", func() bool { _ = handle.SendInput([]byte("stty size\n")); return shown.shows("22 77")() })
}

func ptyKill(b *bench) error {
	session, handle, shown, err := b.terminal()
	if err != nil {
		return err
	}
	if err := handle.SendInput([]byte("echo ready $((1 + 1)); sleep 4321\n")); err != nil {
		return err
	}
	if err := until("the program runs", shown.shows("ready 2")); err != nil {
		return err
	}
	if err := handle.Kill(); err != nil {
		return err
	}
	return until("nothing of it is left", func() bool {
		list, err := session.Pty.List()
		for _, one := range list {
			if one.PtySessionID == handle.PtySessionID() {
				return false
			}
		}
		left, failed := plainShell(session.SessionID, "pgrep -fc 'sleep 4321$' || true")
		return err == nil && failed == nil && strings.TrimSpace(left) == "0"
	})
}

// refuse demands an error that names the image that would have it.
func refuse(call func(*agentbay.Session) string) func(*bench) error {
	return func(b *bench) error {
		session, err := b.session("")
		if err != nil {
			return err
		}
		text := call(session)
		return must(strings.Contains(text, "_latest") || strings.Contains(text, "image"), "it says %q", text)
	}
}

func contextNone(b *bench) error {
	session, err := b.create("")
	if err != nil {
		return err
	}
	result, err := session.Context.Info()
	if err != nil {
		return err
	}
	return must(len(result.ContextStatusData) == 0, "got %v", result.ContextStatusData)
}
