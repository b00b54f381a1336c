package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay"
)

func init() {
	scenarios["link-https"] = linkHTTPS
	scenarios["link-refused-port"] = linkRefusedPort
	scenarios["tools-list"] = toolsList
	scenarios["tool-call"] = toolCall
	scenarios["tool-call-failure"] = toolCallFailure
	scenarios["tool-unknown"] = toolUnknown
	scenarios["tool-direct"] = toolDirect
	scenarios["tool-direct-long"] = toolDirectLong
}

func linkHTTPS(b *bench) error {
	session, folder, err := b.folder("", "link")
	if err != nil {
		return err
	}
	protocol, port := "https", int32(30120)
	serve := "cd %s && echo 'from inside' > page && (setsid python3 -m http.server %d >/dev/null 2>&1 &); until curl -s -o /dev/null http://127.0.0.1:%d/; do sleep 0.05; done"
	if _, err := plainShell(session.SessionID, fmt.Sprintf(serve, folder, port, port)); err != nil {
		return err
	}
	defer func() { _, _ = plainShell(session.SessionID, fmt.Sprintf("pkill -f 'http.server %d'", port)) }()
	link, err := session.GetLink(&protocol, &port, nil)
	if err != nil {
		return err
	}
	answer, err := http.Get(strings.TrimSuffix(link.Link, "/") + "/page")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return first(err, must(strings.HasPrefix(link.Link, "https://"), "link %s", link.Link),
		must(answer.StatusCode == 200 && string(text) == "from inside\n", "%d %q", answer.StatusCode, text))
}

func linkRefusedPort(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	protocol, port := "https", int32(22)
	_, err = session.GetLink(&protocol, &port, nil)
	return must(err != nil && strings.Contains(err.Error(), "30100") && strings.Contains(err.Error(), "30199"), "it says %q", told(err))
}

func toolsList(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	list, err := session.ListMcpTools()
	if err != nil {
		return err
	}
	for _, tool := range list.Tools {
		if tool.Server == "" || tool.Description == "" || tool.InputSchema["type"] != "object" {
			return fmt.Errorf("incomplete: %+v", tool)
		}
	}
	named := func(name string) bool {
		return slices.ContainsFunc(list.Tools, func(tool agentbay.McpTool) bool { return tool.Name == name })
	}
	return must(named("shell") && named("read_file"), "%d tools", len(list.Tools))
}

func toolCall(b *bench) error {
	session, folder, err := b.folder("", "tool")
	if err != nil {
		return err
	}
	result, err := session.CallMcpTool("write_file", map[string]any{"path": folder + "/by name", "content": "höm"})
	if err != nil {
		return err
	}
	text, err := plainShell(session.SessionID, "cat '"+folder+"/by name'")
	return first(err, must(result.Success && result.RequestID != "", "got %+v", *result), must(text == "höm", "it holds %q", text))
}

func toolCallFailure(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	result, err := session.CallMcpTool("read_file", map[string]any{"path": "/tmp/conformance/nothing-here"})
	text := told(err)
	if result != nil {
		text += result.ErrorMessage
	}
	return must((err != nil || !result.Success) && strings.Contains(text, "nothing-here"), "it says %q", text)
}

func toolUnknown(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	result, err := session.CallMcpTool("no_such_tool", map[string]any{})
	text := told(err)
	if result != nil {
		text += result.ErrorMessage
	}
	return must((err != nil || !result.Success) && strings.Contains(text, "no_such_tool"), "it says %q", text)
}

func toolDirect(b *bench) error {
	session, folder, err := b.folder("", "direct")
	if err != nil {
		return err
	}
	if session.GetLinkUrl() == "" || session.GetToken() == "" || session.GetMcpServerForTool("shell") == "" {
		return fmt.Errorf("the session has no direct route")
	}
	if _, err := b.sh(session, "echo direct > "+folder+"/mark"); err != nil {
		return err
	}
	text, err := plainShell(session.SessionID, "cat "+folder+"/mark")
	return first(err, must(text == "direct\n", "it holds %q", text))
}

func toolDirectLong(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	if session.GetLinkUrl() == "" {
		return fmt.Errorf("the session has no direct route")
	}
	began := time.Now()
	result, err := session.CallMcpTool("shell", map[string]any{"command": "sleep 65; echo at last", "timeout_ms": 90000})
	if err != nil {
		return err
	}
	return must(result.Success && strings.Contains(result.Data, "at last") && time.Since(began) >= 65*time.Second, "got %+v", *result)
}
