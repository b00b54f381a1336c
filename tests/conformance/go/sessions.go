package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay"
	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/models"
)

func init() {
	scenarios["session-devices"] = sessionDevices
	scenarios["session-create-delete"] = createDelete
	scenarios["session-image-labels"] = imageLabels
	scenarios["session-image-unknown"] = imageUnknown
	scenarios["session-delete-twice"] = deleteTwice
	scenarios["session-list-labels"] = listLabels
	scenarios["session-list-pages"] = listPages
	scenarios["session-list-past-end"] = listPastEnd
	scenarios["session-labels"] = labels
	scenarios["session-labels-refused"] = labelsRefused
	scenarios["session-get"] = get
	scenarios["session-status"] = status
	scenarios["session-info"] = info
	scenarios["session-info-released"] = infoReleased
	scenarios["session-foreign-call"] = callAfterDelete
	scenarios["session-keep-alive"] = keepAlive
	scenarios["session-wrong-key"] = wrongKey
}

func createDelete(b *bench) error {
	result, err := b.bay.Create(nil)
	if err != nil {
		return err
	}
	session := result.Session
	b.extra = append(b.extra, session)
	if there, err := exists(session.SessionID); err != nil || !there {
		return fmt.Errorf("the server does not know it: %v", err)
	}
	user, err := b.sh(session, "id -un")
	if err != nil {
		return err
	}
	deleted, err := session.Delete()
	if err != nil {
		return err
	}
	there, err := exists(session.SessionID)
	return first(
		must(result.RequestID != "", "no request id"),
		must(user == "wuying\n", "the user is %q", user),
		must(deleted.Success, "delete: %s", deleted.ErrorMessage),
		err, must(!there, "it is still there"),
	)
}

func imageLabels(b *bench) error {
	session, err := b.create("linux_latest", "colour", "dunkelgrün")
	if err != nil {
		return err
	}
	ids, err := find(map[string]string{"conformance": b.column, "colour": "dunkelgrün"})
	if err != nil {
		return err
	}
	system, err := b.sh(session, "cat /etc/debian_version")
	return first(err, must(slices.Equal(ids, []string{session.SessionID}), "found %v", ids), must(system != "", "no Debian"))
}

func imageUnknown(b *bench) error {
	result, err := b.bay.Create(agentbay.NewCreateSessionParams().WithImageId("no_such_image"))
	text := told(err)
	if result != nil {
		text += result.ErrorMessage
	}
	return first(must(err != nil || !result.Success, "it was made"), must(strings.Contains(text, "no_such_image"), "it says %q", text))
}

func deleteTwice(b *bench) error {
	session, err := b.create("")
	if err != nil {
		return err
	}
	if result, err := session.Delete(); err != nil || !result.Success {
		return fmt.Errorf("the first one: %v", err)
	}
	began := time.Now()
	again, err := session.Delete()
	text := told(err)
	if again != nil {
		text += again.ErrorMessage
	}
	return first(
		must(err != nil || !again.Success, "the second one claims success"),
		must(saysNotFound(text), "it says %q", text),
		must(time.Since(began) < 20*time.Second, "it took %s", time.Since(began)),
	)
}

func (b *bench) several(count int, labels ...string) ([]string, error) {
	var ids []string
	for range count {
		session, err := b.create("", labels...)
		if err != nil {
			return nil, err
		}
		ids = append(ids, session.SessionID)
	}
	slices.Sort(ids)
	return ids, nil
}

func (b *bench) page(number int, limit int32, label, value string) (*agentbay.SessionListResult, []string, error) {
	result, err := b.bay.List("", map[string]string{"conformance": b.column, label: value}, &number, &limit, "")
	var ids []string
	if result != nil {
		for _, entry := range result.SessionIds {
			ids = append(ids, fmt.Sprint(entry["sessionId"]))
		}
	}
	slices.Sort(ids)
	return result, ids, err
}

func listLabels(b *bench) error {
	even, err := b.several(2, "n", "even")
	if err != nil {
		return err
	}
	if _, err = b.create("", "n", "odd"); err != nil {
		return err
	}
	result, ids, err := b.page(1, 10, "n", "even")
	if err != nil {
		return err
	}
	_, none, err := b.page(1, 10, "n", "neither")
	return first(err, must(slices.Equal(ids, even), "found %v of %v", ids, even), must(result.TotalCount == 2, "total %d", result.TotalCount),
		must(len(none) == 0, "found %v", none))
}

func listPages(b *bench) error {
	made, err := b.several(5, "pages", "1")
	if err != nil {
		return err
	}
	var seen []string
	for number, count := range map[int]int{1: 2, 2: 2, 3: 1} {
		result, ids, err := b.page(number, 2, "pages", "1")
		if err != nil {
			return err
		}
		if err := must(len(ids) == count && result.TotalCount == 5, "page %d: %v, total %d", number, ids, result.TotalCount); err != nil {
			return err
		}
		seen = append(seen, ids...)
	}
	slices.Sort(seen)
	return must(slices.Equal(seen, made), "saw %v of %v", seen, made)
}

func listPastEnd(b *bench) error {
	if _, err := b.create("", "past", "1"); err != nil {
		return err
	}
	_, ids, err := b.page(3, 2, "past", "1")
	return must(err != nil || len(ids) == 0, "page 3 has %v", ids)
}

func labels(b *bench) error {
	session, err := b.create("", "first", "1")
	if err != nil {
		return err
	}
	wanted := map[string]string{"owner": "tester", "größe": "XL 漢字", "conformance": b.column}
	if _, err := session.SetLabels(wanted); err != nil {
		return err
	}
	got, err := session.GetLabels()
	if err != nil {
		return err
	}
	body, err := ask("GetLabel", "SessionId", session.SessionID)
	if err != nil {
		return err
	}
	for _, text := range []string{got.Labels, body["Data"].(map[string]any)["Labels"].(string)} {
		var labels map[string]string
		if err := json.Unmarshal([]byte(text), &labels); err != nil || !reflect.DeepEqual(labels, wanted) {
			return fmt.Errorf("labels are %s", text)
		}
	}
	return nil
}

func labelsRefused(b *bench) error {
	session, err := b.create("", "kept", "1")
	if err != nil {
		return err
	}
	before, err := ask("GetLabel", "SessionId", session.SessionID)
	if err != nil {
		return err
	}
	for _, wrong := range []map[string]string{{}, {"": "value"}, {"key": ""}} {
		if _, err := session.SetLabels(wrong); err == nil {
			return fmt.Errorf("%v was taken", wrong)
		}
	}
	after, err := ask("GetLabel", "SessionId", session.SessionID)
	return first(err, must(reflect.DeepEqual(before["Data"], after["Data"]), "%v became %v", before["Data"], after["Data"]))
}

func get(b *bench) error {
	session, folder, err := b.folder("", "get")
	if err != nil {
		return err
	}
	if _, err := b.sh(session, "echo here > "+folder+"/mark"); err != nil {
		return err
	}
	again, err := b.bay.Get(session.SessionID)
	if err != nil {
		return err
	}
	text, err := b.sh(again.Session, "cat "+folder+"/mark")
	if err != nil {
		return err
	}
	// This SDK has no words for an unknown one; that it is none is what counts.
	unknown, err := b.bay.Get("session-0000000000000000")
	return first(must(text == "here\n", "read %q", text), must(err != nil || !unknown.Success, "an unknown one was found"))
}

func status(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	result, err := session.GetStatus()
	if err != nil {
		return err
	}
	return must(result.Success && result.Status == "RUNNING", "status %q: %s", result.Status, result.ErrorMessage)
}

func info(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	result, err := session.Info()
	if err != nil {
		return err
	}
	page, err := http.Get(result.Info.ResourceUrl)
	if err != nil {
		return err
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	return first(err,
		must(result.Info.SessionId == session.SessionID, "info of %s", result.Info.SessionId),
		must(len(result.Info.AuthCode) >= 50 && len(result.Info.Ticket) >= 80, "codes are short"),
		must(page.StatusCode == 200 && strings.Contains(string(text), session.SessionID), "the page: %d", page.StatusCode))
}

func infoReleased(b *bench) error {
	session, err := b.create("")
	if err != nil {
		return err
	}
	if _, err := session.Delete(); err != nil {
		return err
	}
	_, err = session.Info()
	return must(saysNotFound(told(err)), "it says %q", told(err))
}

func callAfterDelete(b *bench) error {
	session, err := b.create("")
	if err != nil {
		return err
	}
	if _, err := session.Delete(); err != nil {
		return err
	}
	result, err := session.Command.ExecuteCommand("echo still here")
	text := told(err)
	if result != nil {
		text += result.ErrorMessage
		if result.Success || strings.Contains(result.Stdout, "still here") {
			return fmt.Errorf("it ran")
		}
	}
	return must(text != "", "no error")
}

func keepAlive(b *bench) error {
	session, err := b.create("")
	if err != nil {
		return err
	}
	result, err := session.KeepAlive()
	if err != nil {
		return err
	}
	if err := must(result.Success, "keep-alive: %s", result.ErrorMessage); err != nil {
		return err
	}
	if _, err := session.Delete(); err != nil {
		return err
	}
	after, err := session.KeepAlive()
	return must(err != nil || !after.Success, "it works on a deleted session")
}

func wrongKey(b *bench) error {
	stranger, err := agentbay.NewAgentBay("akm-not-a-key-of-this-server")
	if err != nil {
		return err
	}
	_, err = stranger.Create(agentbay.NewCreateSessionParams().WithLabels(map[string]string{"conformance": b.column, "wrong": "key"}))
	ids, failed := find(map[string]string{"conformance": b.column, "wrong": "key"})
	return first(failed, must(strings.Contains(strings.ToLower(told(err)), "key"), "it says %q", told(err)), must(len(ids) == 0, "made %v", ids))
}

func sessionDevices(b *bench) error {
	labels := map[string]string{"conformance": b.column, "devices": "1"}
	extra := &models.ExtraConfigs{Mobile: &models.MobileExtraConfig{LockResolution: true}}
	_, err := b.bay.Create(agentbay.NewCreateSessionParams().WithLabels(labels).WithExtraConfigs(extra))
	if err == nil || !strings.Contains(err.Error(), "mobile.lock_resolution") {
		return fmt.Errorf("it says %q", told(err))
	}
	left, err := find(labels)
	return first(err, must(len(left) == 0, "it made %v", left))
}
