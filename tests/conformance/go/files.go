package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

func init() {
	scenarios["file-write-read"] = fileWriteRead
	scenarios["file-append"] = fileAppend
	scenarios["file-empty"] = fileEmpty
	scenarios["file-large-text"] = fileLargeText
	scenarios["file-large-binary"] = fileLargeBinary
	scenarios["file-200-mb"] = fileHuge
	scenarios["file-cut-characters"] = fileCutCharacters
	scenarios["file-info"] = fileInfo
	scenarios["file-list"] = fileList
	scenarios["file-create-directory"] = fileCreateDirectory
	scenarios["file-move"] = fileMove
	scenarios["file-edit"] = fileEdit
	scenarios["file-search"] = fileSearch
	scenarios["file-read-many"] = fileReadMany
	scenarios["file-delete"] = fileDelete
	scenarios["file-missing"] = fileMissing
}

func hash(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func fileWriteRead(b *bench) error {
	session, folder, err := b.folder("", "write")
	if err != nil {
		return err
	}
	text := "grüße, 世界\n  second <line> & more\n\n"
	if _, err := session.FileSystem.WriteFile(folder+"/deep/er/hello.txt", text, "overwrite"); err != nil {
		return err
	}
	sum, err := checksum(session.SessionID, folder+"/deep/er/hello.txt")
	if err != nil {
		return err
	}
	owner, err := plainShell(session.SessionID, "stat -c %U "+folder+"/deep/er/hello.txt; printf 'von der Shell – ä' > "+folder+"/shell.txt")
	if err != nil {
		return err
	}
	read, err := session.FileSystem.ReadFile(folder + "/shell.txt")
	if err != nil {
		return err
	}
	return first(must(sum == hash(text), "written wrongly"), must(owner == "wuying\n", "owner %q", owner),
		must(read.Content == "von der Shell – ä", "read %q", read.Content))
}

func fileAppend(b *bench) error {
	session, folder, err := b.folder("", "append")
	if err != nil {
		return err
	}
	path := folder + "/log"
	for _, step := range [][2]string{{"one", "overwrite"}, {"+two", "append"}, {"+three", "append"}} {
		if _, err := session.FileSystem.WriteFile(path, step[0], step[1]); err != nil {
			return err
		}
	}
	text, err := plainShell(session.SessionID, "cat "+path)
	if err != nil {
		return err
	}
	if _, err := session.FileSystem.WriteFile(path, "four", "overwrite"); err != nil {
		return err
	}
	again, err := plainShell(session.SessionID, "cat "+path)
	return first(err, must(text == "one+two+three", "it holds %q", text), must(again == "four", "then %q", again))
}

func fileEmpty(b *bench) error {
	session, folder, err := b.folder("", "empty")
	if err != nil {
		return err
	}
	if _, err := session.FileSystem.WriteFile(folder+"/written", "", "overwrite"); err != nil {
		return err
	}
	size, err := plainShell(session.SessionID, "stat -c %s "+folder+"/written; touch "+folder+"/touched")
	if err != nil {
		return err
	}
	read, err := session.FileSystem.ReadFile(folder + "/touched")
	if err != nil {
		return err
	}
	return must(size == "0\n" && read.Content == "", "size %q, content %q", size, read.Content)
}

func fileLargeText(b *bench) error {
	session, folder, err := b.folder("", "large")
	if err != nil {
		return err
	}
	var all strings.Builder
	for n := range 70_000 {
		fmt.Fprintf(&all, "%07d the quick brown fox jumps over the lazy dog 0123456789 abcdefg\n", n)
	}
	return thereAndBack(session.FileSystem.WriteFile, session.FileSystem.ReadFile, session.SessionID, folder+"/text", all.String())
}

func fileHuge(b *bench) error {
	session, folder, err := b.folder("", "huge")
	if err != nil {
		return err
	}
	const size = 200 << 20
	random := make([]byte, size/4*3)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(random)
	if _, err := session.FileSystem.WriteFile(folder+"/file", text, "overwrite"); err != nil {
		return err
	}
	written, err := checksum(session.SessionID, folder+"/file")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, fmt.Sprintf("head -c %d /dev/urandom > %s/file", size, folder)); err != nil {
		return err
	}
	wanted, err := checksum(session.SessionID, folder+"/file")
	if err != nil {
		return err
	}
	read, err := session.FileSystem.ReadFileBinary(folder + "/file")
	if err != nil {
		return err
	}
	got := fmt.Sprintf("%x", sha256.Sum256(read.Content))
	_, err = plainShell(session.SessionID, "rm "+folder+"/file")
	return first(err, must(len(text) == size && written == hash(text), "written wrongly"),
		must(len(read.Content) == size && got == wanted, "read wrongly: %d bytes", len(read.Content)))
}

func fileLargeBinary(b *bench) error {
	session, folder, err := b.folder("", "binary")
	if err != nil {
		return err
	}
	const size = 5<<20 + 17
	if _, err := plainShell(session.SessionID, fmt.Sprintf("head -c %d /dev/urandom > %s/blob", size, folder)); err != nil {
		return err
	}
	wanted, err := checksum(session.SessionID, folder+"/blob")
	if err != nil {
		return err
	}
	read, err := session.FileSystem.ReadFileBinary(folder + "/blob")
	if err != nil {
		return err
	}
	return must(len(read.Content) == size && hash(string(read.Content)) == wanted, "%d bytes, another checksum", len(read.Content))
}

// thereAndBack writes a text, compares it inside, reads it and compares it here.
func thereAndBack[W any, R any](write func(string, string, string) (W, error), read func(string) (R, error), session, path, text string) error {
	if _, err := write(path, text, "overwrite"); err != nil {
		return err
	}
	sum, err := checksum(session, path)
	if err != nil {
		return err
	}
	got, err := read(path)
	if err != nil {
		return err
	}
	return first(must(sum == hash(text), "written wrongly"), must(contentOf(got) == text, "read wrongly"))
}

// The SDK cuts what it reads and writes into pieces of these sizes.
var pieces = []int{51_200, 52_224, 61_440}

func fileCutCharacters(b *bench) error {
	session, folder, err := b.folder("", "cut")
	if err != nil {
		return err
	}
	for _, character := range []string{"ä", "漢", "🚢"} {
		for shift := 1; shift < len(character); shift++ {
			text := acrossBorders(character, shift)
			path := fmt.Sprintf("%s/%d-%d", folder, len(character), shift)
			if err := thereAndBack(session.FileSystem.WriteFile, session.FileSystem.ReadFile, session.SessionID, path, text); err != nil {
				return fmt.Errorf("%s cut after %d: %w", character, shift, err)
			}
		}
	}
	return nil
}

// acrossBorders makes a text in which every border of a piece cuts the character after `shift` bytes.
func acrossBorders(character string, shift int) string {
	var borders []int
	for _, piece := range pieces {
		borders = append(borders, piece, 2*piece, 3*piece)
	}
	slices.Sort(borders)
	var text strings.Builder
	for _, border := range borders {
		if gap := border - shift - text.Len(); gap >= 0 {
			text.WriteString(strings.Repeat("x", gap) + character)
		}
	}
	return text.String() + "end"
}

func fileInfo(b *bench) error {
	session, folder, err := b.folder("", "info")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, fmt.Sprintf("head -c 12345 /dev/zero > %s/file; chmod 640 %s/file; mkdir %s/dir", folder, folder, folder)); err != nil {
		return err
	}
	file, err := session.FileSystem.GetFileInfo(folder + "/file")
	if err != nil {
		return err
	}
	directory, err := session.FileSystem.GetFileInfo(folder + "/dir")
	if err != nil {
		return err
	}
	got := *file.FileInfo
	return first(must(got.Size == 12345 && !got.IsDirectory && strings.Contains(got.Mode, "640"), "got %+v", got),
		must(directory.FileInfo.IsDirectory, "got %+v", *directory.FileInfo))
}

func fileList(b *bench) error {
	session, folder, err := b.folder("", "list")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "cd "+folder+" && mkdir dir 'two words' && touch a.txt 'b c.txt' .hidden"); err != nil {
		return err
	}
	list, err := session.FileSystem.ListDirectory(folder)
	if err != nil {
		return err
	}
	var names []string
	for _, entry := range list.Entries {
		names = append(names, fmt.Sprintf("%s:%v", entry.Name, entry.IsDirectory))
	}
	slices.Sort(names)
	wanted := []string{".hidden:false", "a.txt:false", "b c.txt:false", "dir:true", "two words:true"}
	return must(slices.Equal(names, wanted), "got %v", names)
}

func fileCreateDirectory(b *bench) error {
	session, folder, err := b.folder("", "mkdir")
	if err != nil {
		return err
	}
	if _, err := session.FileSystem.CreateDirectory(folder + "/a/b/c"); err != nil {
		return err
	}
	kind, err := plainShell(session.SessionID, "stat -c %F "+folder+"/a/b/c")
	return first(err, must(kind == "directory\n", "it is a %s", kind))
}

func fileMove(b *bench) error {
	session, folder, err := b.folder("", "move")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "echo content > "+folder+"/old"); err != nil {
		return err
	}
	if _, err := session.FileSystem.MoveFile(folder+"/old", folder+"/new name"); err != nil {
		return err
	}
	text, err := plainShell(session.SessionID, "ls "+folder+"; cat '"+folder+"/new name'")
	return first(err, must(text == "new name\ncontent\n", "there is %q", text))
}

func fileEdit(b *bench) error {
	session, folder, err := b.folder("", "edit")
	if err != nil {
		return err
	}
	path := folder + "/text"
	if _, err := plainShell(session.SessionID, `printf 'first\nsecond\nthird\n' > `+path); err != nil {
		return err
	}
	edits := []map[string]string{{"oldText": "second", "newText": "zweite"}, {"oldText": "third", "newText": "dritte"}}
	if _, err := session.FileSystem.EditFile(path, edits, true); err != nil {
		return err
	}
	dry, err := plainShell(session.SessionID, "cat "+path)
	if err != nil {
		return err
	}
	if _, err := session.FileSystem.EditFile(path, edits, false); err != nil {
		return err
	}
	_, refused := session.FileSystem.EditFile(path, []map[string]string{{"oldText": "not in there", "newText": "x"}}, false)
	text, err := plainShell(session.SessionID, "cat "+path)
	return first(err, must(dry == "first\nsecond\nthird\n", "the dry run left %q", dry), must(refused != nil, "an edit of nothing was taken"),
		must(text == "first\nzweite\ndritte\n", "it holds %q", text))
}

func fileSearch(b *bench) error {
	session, folder, err := b.folder("", "search")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "cd "+folder+" && mkdir -p src/deep build && touch a.py src/b.py src/deep/c.py build/d.py src/e.txt"); err != nil {
		return err
	}
	for _, step := range []struct {
		pattern string
		exclude []string
		wanted  []string
	}{
		{"*.py", nil, []string{"/a.py", "/build/d.py", "/src/b.py", "/src/deep/c.py"}},
		{"*.py", []string{"build", "deep"}, []string{"/a.py", "/src/b.py"}},
		{"*.rs", nil, nil},
	} {
		found, err := session.FileSystem.SearchFiles(folder, step.pattern, step.exclude)
		if err != nil {
			return err
		}
		var names []string
		for _, path := range found.Results {
			if name, inside := strings.CutPrefix(path, folder); inside {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if err := must(slices.Equal(names, step.wanted), "%s without %v: %v", step.pattern, step.exclude, found.Results); err != nil {
			return err
		}
	}
	return nil
}

func fileReadMany(b *bench) error {
	session, folder, err := b.folder("", "many")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, `cd `+folder+` && printf 'one\nline: two\n' > a && printf 'ä: b' > b && printf c > c`); err != nil {
		return err
	}
	contents, err := session.FileSystem.ReadMultipleFiles([]string{folder + "/a", folder + "/b", folder + "/c"})
	if err != nil {
		return err
	}
	for name, wanted := range map[string]string{"/a": "one\nline: two", "/b": "ä: b", "/c": "c"} {
		if got := strings.TrimSpace(contents[folder+name]); got != wanted {
			return fmt.Errorf("%s holds %q of %v", name, got, contents)
		}
	}
	return nil
}

func fileDelete(b *bench) error {
	session, folder, err := b.folder("", "delete")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "touch "+folder+"/gone "+folder+"/stays"); err != nil {
		return err
	}
	if _, err := session.FileSystem.DeleteFile(folder + "/gone"); err != nil {
		return err
	}
	left, err := plainShell(session.SessionID, "ls "+folder)
	return first(err, must(left == "stays\n", "there is %q", left))
}

func fileMissing(b *bench) error {
	session, err := b.session("")
	if err != nil {
		return err
	}
	files, path := session.FileSystem, "/tmp/conformance/there-is-no-such-thing"
	for what, call := range map[string]func() error{
		"read": func() error { _, err := files.ReadFile(path); return err },
		"info": func() error { _, err := files.GetFileInfo(path); return err },
		"list": func() error { _, err := files.ListDirectory(path); return err },
		"edit": func() error {
			_, err := files.EditFile(path, []map[string]string{{"oldText": "a", "newText": "b"}}, false)
			return err
		},
		"move": func() error { _, err := files.MoveFile(path, path+"2"); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "there-is-no-such-thing") {
			return fmt.Errorf("%s says %q", what, told(err))
		}
	}
	return nil
}
