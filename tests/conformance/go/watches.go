package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/filesystem"
)

func init() {
	scenarios["watch-poll"] = watchPoll
	scenarios["watch-directory"] = watchDirectory
	scenarios["watch-push"] = watchDirectory
}

func contentOf(result any) string { return result.(*filesystem.FileReadResult).Content }

func watchPoll(b *bench) error {
	session, folder, err := b.folder("", "poll")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "cd "+folder+" && echo 1 > changed && echo 1 > deleted"); err != nil {
		return err
	}
	baseline, err := session.FileSystem.GetFileChange(folder)
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "cd "+folder+" && echo 22 > changed && rm deleted && echo 1 > created"); err != nil {
		return err
	}
	changes, err := session.FileSystem.GetFileChange(folder)
	if err != nil {
		return err
	}
	again, err := session.FileSystem.GetFileChange(folder)
	if err != nil {
		return err
	}
	var seen []string
	for _, event := range changes.Events {
		if event.PathType == "file" {
			seen = append(seen, event.EventType+event.Path[len(folder):])
		}
	}
	slices.Sort(seen)
	return first(must(!baseline.HasChanges() && !again.HasChanges(), "changes out of nothing"),
		must(slices.Equal(seen, []string{"create/created", "delete/deleted", "modify/changed"}), "saw %v", seen))
}

// watchDirectory also proves the push: at this version the SDK asks for changes only when there is no WebSocket, and the
// interval is longer than the scenario waits.
func watchDirectory(b *bench) error {
	session, folder, err := b.folder("", "watch")
	if err != nil {
		return err
	}
	if session.GetWsUrl() == "" {
		return fmt.Errorf("the session has no WebSocket")
	}
	var lock sync.Mutex
	var seen []string
	stop := make(chan struct{})
	running, ready := session.FileSystem.WatchDirectory(folder, func(events []*filesystem.FileChangeEvent) {
		lock.Lock()
		defer lock.Unlock()
		for _, event := range events {
			seen = append(seen, event.Path)
		}
	}, time.Minute, stop)
	<-ready
	made := false
	err = until("the new file is told", func() bool {
		if !made {
			_, failed := plainShell(session.SessionID, "echo 1 > '"+folder+"/a new one'")
			made = failed == nil
		}
		lock.Lock()
		defer lock.Unlock()
		return slices.Contains(seen, folder+"/a new one")
	})
	close(stop)
	running.Wait()
	return err
}
