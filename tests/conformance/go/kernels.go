package main

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/code"
)

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

func init() {
	scenarios["code-run"] = codeRun
	scenarios["code-state"] = codeState
	scenarios["code-error"] = codeError
	scenarios["code-rich"] = codeRich
	scenarios["code-timeout"] = codeTimeout
	scenarios["code-javascript"] = codeLanguage("javascript", "var kept = 20; console.log('first', kept * 2)", "kept += 1; console.log('then', kept * 2)")
	scenarios["code-r"] = codeLanguage("r", "kept <- 20\ncat('first', kept * 2, '\\n')", "kept <- kept + 1\ncat('then', kept * 2, '\\n')")
	scenarios["code-java"] = codeLanguage("java", "int kept = 20;\nSystem.out.println(\"first \" + kept * 2);", "kept += 1;\nSystem.out.println(\"then \" + kept * 2);")
	scenarios["code-stream"] = codeStream
}

func (b *bench) code(text, language string, options ...any) (*code.CodeResult, error) {
	session, err := b.session(codeImage)
	if err != nil {
		return nil, err
	}
	result, err := session.Code.RunCode(text, language, options...)
	if err == nil && result == nil {
		err = fmt.Errorf("neither result nor error")
	}
	return result, err
}

// printed is standard output as one text.
func printed(result *code.CodeResult) string {
	if result == nil || result.Logs == nil {
		return ""
	}
	return strings.Join(result.Logs.Stdout, "")
}

func codeRun(b *bench) error {
	result, err := b.code("print('printed', 6 * 7)\n'the value'", "python")
	if err != nil {
		return err
	}
	var main []string
	for _, item := range result.Results {
		if item.IsMainResult {
			main = append(main, item.Text)
		}
	}
	return first(must(result.Success, "it failed: %s", result.ErrorMessage), must(printed(result) == "printed 42\n", "printed %q", printed(result)),
		must(len(main) == 1 && strings.Contains(main[0], "the value"), "main results %v", main))
}

func codeState(b *bench) error {
	before, err := b.code("import os\nkept = 41\nprint('pid', os.getpid())", "python")
	if err != nil {
		return err
	}
	after, err := b.code("kept += 1\nprint('pid', os.getpid())\nprint('kept', kept)", "python")
	if err != nil {
		return err
	}
	session, _ := b.session(codeImage)
	pid := strings.TrimSpace(strings.TrimPrefix(printed(before), "pid "))
	name, err := plainShell(session.SessionID, "cat /proc/"+pid+"/comm")
	return first(err, must(printed(after) == "pid "+pid+"\nkept 42\n", "first %q, then %q", printed(before), printed(after)),
		must(strings.Contains(strings.ToLower(name), "python"), "pid %s is %s", pid, name))
}

func codeError(b *bench) error {
	if _, err := b.code("before = 'kept'", "python"); err != nil {
		return err
	}
	result, err := b.code("{}['no such key']", "python")
	text := told(err)
	if result != nil {
		text += result.ErrorMessage
		if result.Error != nil {
			text += result.Error.Name + result.Error.Value + result.Error.Traceback
		}
		if result.Success {
			return fmt.Errorf("it claims success")
		}
	}
	after, err := b.code("print(before)", "python")
	return first(err, must(strings.Contains(text, "KeyError") && strings.Contains(text, "no such key"), "it says %q", text),
		must(printed(after) == "kept\n", "after it: %q", printed(after)))
}

func codeRich(b *bench) error {
	bundle := `{"text/plain": "words", "text/html": "<b>bold</b>", "text/markdown": "**bold**", "image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>",` +
		`"image/png": "` + pixel + `", "text/latex": "$x^2$", "application/json": {"a": [1, 2]}}`
	result, err := b.code("from IPython.display import display\ndisplay("+bundle+", raw=True)", "python")
	if err != nil {
		return err
	}
	if len(result.Results) == 0 {
		return fmt.Errorf("no results: %s", result.ErrorMessage)
	}
	item := result.Results[0]
	got, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(item.PNG))
	wanted, _ := base64.StdEncoding.DecodeString(pixel)
	return first(must(item.HTML == "<b>bold</b>" && item.Markdown == "**bold**" && item.Latex == "$x^2$", "got %+v", item),
		must(strings.Contains(item.SVG, "<svg"), "SVG %q", item.SVG), must(string(got) == string(wanted), "PNG %q", item.PNG),
		must(reflect.DeepEqual(item.JSON, map[string]any{"a": []any{1.0, 2.0}}), "JSON %v", item.JSON))
}

func codeTimeout(b *bench) error {
	if _, err := b.code("survivor = 'alive'", "python"); err != nil {
		return err
	}
	began := time.Now()
	result, err := b.code("while True: pass", "python", 3)
	text := told(err)
	if result != nil {
		text += result.ErrorMessage
		if result.Error != nil {
			text += result.Error.Name + result.Error.Value
		}
	}
	took := time.Since(began)
	after, err := b.code("print(survivor)", "python")
	text = strings.ToLower(text)
	return first(err, must(took < 25*time.Second, "it took %s", took), must(strings.Contains(text, "time") || strings.Contains(text, "interrupt"), "it says %q", text),
		must(printed(after) == "alive\n", "after it: %q", printed(after)))
}

func codeLanguage(name, before, after string) func(*bench) error {
	return func(b *bench) error {
		result, err := b.code(before, name)
		if err != nil {
			return err
		}
		if err := must(strings.Contains(printed(result), "first 40"), "first: %q %s", printed(result), result.ErrorMessage); err != nil {
			return err
		}
		result, err = b.code(after, name)
		if err != nil {
			return err
		}
		return must(strings.Contains(printed(result), "then 42"), "then: %q %s", printed(result), result.ErrorMessage)
	}
}

func codeStream(b *bench) error {
	session, folder, err := b.folder(codeImage, "stream")
	if err != nil {
		return err
	}
	var chunks strings.Builder
	made := false
	text := "import os, time\nprint('one', flush=True)\nend = time.time() + 20\n" +
		"while not os.path.exists('" + folder + "/seen') and time.time() < end: time.sleep(0.02)\n" +
		"print('two' if os.path.exists('" + folder + "/seen') else 'nobody came', flush=True)"
	result, err := session.Code.RunCode(text, "python", &code.RunCodeStreamBetaOptions{TimeoutS: 40, StreamBeta: true, OnStdout: func(chunk string) {
		chunks.WriteString(chunk)
		if strings.Contains(chunks.String(), "one") && !made {
			made = true
			// Made only now, and the code waits for it: without streaming it would wait for ever.
			_, _ = plainShell(session.SessionID, "touch "+folder+"/seen")
		}
	}})
	if err != nil {
		return err
	}
	return must(result.Success && chunks.String() == "one\ntwo\n", "got %q %s", chunks.String(), result.ErrorMessage)
}
