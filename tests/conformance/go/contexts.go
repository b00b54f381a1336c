package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay"
)

func init() {
	scenarios["context-life"] = contextLife
	scenarios["context-files"] = contextFiles
	scenarios["context-clear"] = contextClear
	scenarios["context-pages"] = contextPages
	scenarios["context-refused"] = contextRefused
}

// withContext runs a scenario with a context of its own.
func (b *bench) withContext(name string, run func(id string) error) error {
	made, err := b.bay.Context.Create("conformance-" + name + "-" + b.column)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer func() { _, _ = ask("DeleteContext", "Id", made.ContextID) }()
	return run(made.ContextID)
}

// transfer uses a presigned URL as any HTTP client does.
func transfer(method, url string, data []byte) ([]byte, error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	answer, err := plainClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != 200 {
		err = fmt.Errorf("%s: %d %s", method, answer.StatusCode, body)
	}
	return body, err
}

// listed is what the server lists: the files' paths and sizes.
func listed(id, folder string) (string, error) {
	body, err := ask("DescribeContextFiles", "ContextId", id, "ParentFolderPath", folder)
	if err != nil {
		return "", err
	}
	var rows []string
	for _, row := range body["Data"].([]any) {
		row := row.(map[string]any)
		rows = append(rows, fmt.Sprintf("%v %.0f", row["FilePath"], row["Size"]))
	}
	return strings.Join(rows, ", "), nil
}

func (b *bench) upload(id, path string, data []byte) error {
	url, err := b.bay.Context.GetFileUploadUrl(id, path)
	if err != nil || !url.Success || url.ExpireTime == nil {
		return fmt.Errorf("upload URL: %v %+v", err, url)
	}
	_, err = transfer("PUT", url.Url, data)
	return err
}

func contextLife(b *bench) error {
	name := "conformance-" + b.column
	return b.withContext("life", func(id string) error {
		found, err := b.bay.Context.Get("conformance-life-"+b.column, false)
		if err != nil || found.ContextID != id {
			return fmt.Errorf("get: %v %+v", err, found)
		}
		list, err := b.bay.Context.List(nil)
		if err != nil {
			return err
		}
		there := false
		for _, entry := range list.Contexts {
			there = there || entry.ID == id
		}
		found.Context.Name = name + "-renamed"
		renamed, err := b.bay.Context.Update(found.Context)
		if err != nil {
			return err
		}
		again, err := ask("GetContext", "Name", name+"-renamed")
		if err != nil {
			return err
		}
		gone, err := b.bay.Context.Delete(found.Context)
		if err != nil {
			return err
		}
		_, missing := ask("GetContext", "ContextId", id)
		return first(must(there, "the list lacks it"), must(renamed.Success, "rename: %s", renamed.ErrorMessage),
			must(again["Data"].(map[string]any)["Id"] == id, "by its new name: %v", again),
			must(gone.Success, "delete: %s", gone.ErrorMessage), must(missing != nil, "it is still there"))
	})
}

func contextFiles(b *bench) error {
	data := bytes.Repeat([]byte("0123456789\x00\xff"), 100_000)
	return b.withContext("files", func(id string) error {
		for path, content := range map[string][]byte{"/tmp/dir/a b ü.bin": data, "/tmp/dir/empty": {}} {
			if err := b.upload(id, path, content); err != nil {
				return err
			}
		}
		seen, err := listed(id, "/tmp/dir")
		if err != nil {
			return err
		}
		found, err := b.bay.Context.ListFiles(id, "/tmp/dir", 1, 50)
		if err != nil {
			return err
		}
		if len(found.Entries) != 2 || found.Count == nil || *found.Count != 2 {
			return fmt.Errorf("listed %+v", found)
		}
		entry := found.Entries[0]
		url, err := b.bay.Context.GetFileDownloadUrl(id, entry.FilePath)
		if err != nil {
			return err
		}
		got, err := transfer("GET", url.Url, nil)
		if err != nil {
			return err
		}
		gone, err := b.bay.Context.DeleteFile(id, entry.FilePath)
		if err != nil {
			return err
		}
		left, err := listed(id, "/tmp/dir")
		if err != nil {
			return err
		}
		return first(must(seen == "/tmp/dir/a b ü.bin 1200000, /tmp/dir/empty 0", "the server lists %q", seen),
			must(entry.FilePath == "/tmp/dir/a b ü.bin" && entry.FileName == "a b ü.bin" && entry.Size == 1200000, "entry %+v", entry),
			must(bytes.Equal(got, data), "%d bytes came back", len(got)), must(gone.Success, "delete: %s", gone.ErrorMessage),
			must(left == "/tmp/dir/empty 0", "left is %q", left))
	})
}

func contextClear(b *bench) error {
	return b.withContext("clear", func(id string) error {
		for _, path := range []string{"/tmp/0", "/tmp/1", "/tmp/2"} {
			if err := b.upload(id, path, []byte("x")); err != nil {
				return err
			}
		}
		cleared, err := b.bay.Context.Clear(id, 30, 1)
		if err != nil {
			return err
		}
		left, err := listed(id, "/tmp")
		if err != nil {
			return err
		}
		if err := b.upload(id, "/tmp/new", []byte("new")); err != nil {
			return err
		}
		again, err := listed(id, "/tmp")
		if err != nil {
			return err
		}
		return first(must(cleared.Success && cleared.Status == "available", "clear: %+v", cleared), must(left == "", "left is %q", left),
			must(again == "/tmp/new 3", "then %q", again))
	})
}

func contextPages(b *bench) error {
	wanted := map[string]bool{}
	var walk func(n int) error
	walk = func(n int) error {
		if n > 0 {
			return b.withContext(fmt.Sprintf("page-%d", n), func(id string) error { wanted[id] = false; return walk(n - 1) })
		}
		params := &agentbay.ContextListParams{MaxResults: 2}
		seen := map[string]bool{}
		for {
			page, err := b.bay.Context.List(params)
			if err != nil {
				return err
			}
			if len(page.Contexts) > 2 {
				return fmt.Errorf("%d contexts on a page of 2", len(page.Contexts))
			}
			for _, entry := range page.Contexts {
				if seen[entry.ID] {
					return fmt.Errorf("%s stands on two pages", entry.ID)
				}
				seen[entry.ID] = true
			}
			if params.NextToken = page.NextToken; params.NextToken == "" {
				break
			}
		}
		for id := range wanted {
			if !seen[id] {
				return fmt.Errorf("%s stands on no page", id)
			}
		}
		return nil
	}
	return walk(5)
}

func contextRefused(b *bench) error {
	words := func(success bool, message string, err error) (string, error) {
		if err == nil && success {
			return "", fmt.Errorf("it claims success")
		}
		return message + told(err), nil
	}
	missing, err := b.bay.Context.Get("conformance-none-"+b.column, false)
	if err == nil && missing.Success {
		return fmt.Errorf("a context that nobody made is found: %+v", missing)
	}
	var former string
	err = b.withContext("refused", func(id string) error {
		former = id
		for _, path := range []string{"../outside", "/tmp/../../outside"} {
			url, err := b.bay.Context.GetFileUploadUrl(id, path)
			text, err := words(err == nil && url.Success, messageOf(url), err)
			if err != nil || !strings.Contains(text, "..") {
				return fmt.Errorf("%s: %v %s", path, err, text)
			}
		}
		url, err := b.bay.Context.GetFileDownloadUrl(id, "/tmp/none")
		text, err := words(err == nil && url.Success, messageOf(url), err)
		if err != nil || !strings.Contains(text, "/tmp/none") {
			return fmt.Errorf("a file that is not there: %v %s", err, text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	url, err := b.bay.Context.GetFileUploadUrl(former, "/tmp/x")
	text, err := words(err == nil && url.Success, messageOf(url), err)
	if err != nil || !strings.Contains(text, former) {
		return fmt.Errorf("a context that is gone: %v %s", err, text)
	}
	return nil
}

func messageOf(url *agentbay.ContextFileUrlResult) string {
	if url == nil {
		return ""
	}
	return url.ErrorMessage
}
