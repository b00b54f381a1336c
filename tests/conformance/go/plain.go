package main

// The second path: the protocol by hand, past the SDK.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var plainClient = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{}}

// ask asks for an action; names and values of its parameters follow. An error carries the server's Code.
func ask(action string, pairs ...string) (map[string]any, error) {
	form := url.Values{"Authorization": {"Bearer " + os.Getenv("AGENTBAY_API_KEY")}}
	for n := 0; n+1 < len(pairs); n += 2 {
		form.Set(pairs[n], pairs[n+1])
	}
	query := url.Values{"Action": {action}, "Version": {"2025-05-06"}, "Format": {"json"}}
	answer, err := plainClient.PostForm(os.Getenv("ROADSTEAD_CONFORMANCE_URL")+"/?"+query.Encode(), form)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return nil, err
	}
	if answer.StatusCode >= 400 {
		return nil, fmt.Errorf("%d %v: %v", answer.StatusCode, body["Code"], body["Message"])
	}
	return body, nil
}

// plainShell is the standard output of a command that must succeed.
func plainShell(session, line string) (string, error) {
	args, _ := json.Marshal(map[string]any{"command": line, "timeout_ms": 50000})
	body, err := ask("CallMcpTool", "SessionId", session, "Name", "shell", "Args", string(args))
	if err != nil {
		return "", err
	}
	content := body["Data"].(map[string]any)["content"].([]any)[0].(map[string]any)
	var result struct {
		Stdout   string `json:"stdout"`
		Stderr   string `json:"stderr"`
		ExitCode *int   `json:"exit_code"`
	}
	if err := json.Unmarshal([]byte(content["text"].(string)), &result); err != nil || result.ExitCode == nil {
		return "", fmt.Errorf("no wrapped result: %v", content["text"])
	}
	if *result.ExitCode != 0 {
		return result.Stdout, fmt.Errorf("%s: exit code %d: %s", line, *result.ExitCode, result.Stderr)
	}
	return result.Stdout, nil
}

// exists tells whether the server still knows a session.
func exists(session string) (bool, error) {
	_, err := ask("GetSession", "SessionId", session)
	if err != nil && strings.Contains(err.Error(), "InvalidMcpSession.NotFound") {
		return false, nil
	}
	return err == nil, err
}

// find lists the sessions with these labels.
func find(labels map[string]string) ([]string, error) {
	text, _ := json.Marshal(labels)
	body, err := ask("ListSession", "Labels", string(text), "MaxResults", "100")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, entry := range body["Data"].([]any) {
		ids = append(ids, entry.(map[string]any)["SessionId"].(string))
	}
	return ids, nil
}

// sha256 of a file in a session, by a command.
func checksum(session, path string) (string, error) {
	text, err := plainShell(session, "sha256sum < '"+path+"'")
	return strings.Fields(text + " -")[0], err
}
