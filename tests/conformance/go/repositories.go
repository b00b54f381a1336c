package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay"
	"github.com/aliyun/wuying-agentbay-sdk/golang/pkg/agentbay/git"
)

func init() {
	scenarios["git-commit-log"] = gitCommitLog
	scenarios["git-clone"] = gitClone
	scenarios["git-branches"] = gitBranches
	scenarios["git-status"] = gitStatus
}

// repository makes one with a first commit.
func (b *bench) repository(name string) (*agentbay.Session, string, error) {
	session, folder, err := b.folder("", name)
	if err != nil {
		return nil, "", err
	}
	path := folder + "/repo"
	if _, err := session.Git.Init(path, git.WithInitBranch("main")); err != nil {
		return nil, "", err
	}
	if err := session.Git.ConfigureUser(path, "Käthe Tester", "kaethe@example.org", git.WithConfigLocal()); err != nil {
		return nil, "", err
	}
	if _, err := plainShell(session.SessionID, "echo one > "+path+"/file"); err != nil {
		return nil, "", err
	}
	if err := session.Git.Add(path, git.WithAddAll()); err != nil {
		return nil, "", err
	}
	_, err = session.Git.Commit(path, "the first one")
	return session, path, err
}

func gitCommitLog(b *bench) error {
	session, path, err := b.repository("git-log")
	if err != nil {
		return err
	}
	subject := "\"quoted\" – ümlaut\tand a tab"
	if _, err := plainShell(session.SessionID, "echo two >> "+path+"/file"); err != nil {
		return err
	}
	if err := session.Git.Add(path, git.WithAddPaths([]string{"file"})); err != nil {
		return err
	}
	if _, err := session.Git.Commit(path, subject); err != nil {
		return err
	}
	log, err := session.Git.Log(path)
	if err != nil {
		return err
	}
	head, err := plainShell(session.SessionID, "git -C "+path+" rev-parse HEAD")
	return first(err, must(len(log.Entries) == 2, "%d commits", len(log.Entries)),
		must(log.Entries[0].Message == subject && log.Entries[0].AuthorName == "Käthe Tester", "got %+v", log.Entries[0]),
		must(log.Entries[0].Hash == strings.TrimSpace(head), "head is %s", head))
}

func gitClone(b *bench) error {
	session, path, err := b.repository("git-clone")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "git clone -q --bare "+path+" "+path+".git"); err != nil {
		return err
	}
	if _, err := session.Git.Clone("file://"+path+".git", git.WithClonePath(path+"-again")); err != nil {
		return err
	}
	text, err := plainShell(session.SessionID, "cat "+path+"-again/file")
	_, missing := session.Git.Clone("file:///tmp/conformance/no-such.git", git.WithClonePath(path+"-none"))
	return first(err, must(text == "one\n", "cloned %q", text), must(missing != nil, "what is not there was cloned"))
}

func gitBranches(b *bench) error {
	session, path, err := b.repository("git-branches")
	if err != nil {
		return err
	}
	if err := session.Git.CreateBranch(path, "feature/eins", git.WithBranchCreateCheckout(true)); err != nil {
		return err
	}
	list, err := session.Git.ListBranches(path)
	if err != nil {
		return err
	}
	if err := session.Git.CheckoutBranch(path, "main"); err != nil {
		return err
	}
	if err := session.Git.DeleteBranch(path, "feature/eins", git.WithBranchDeleteForce()); err != nil {
		return err
	}
	left, err := plainShell(session.SessionID, "git -C "+path+" branch --format='%(refname:short)'")
	return first(err, must(len(list.Branches) == 2 && list.Current == "feature/eins", "got %+v", *list), must(left == "main\n", "left: %q", left))
}

func gitStatus(b *bench) error {
	session, path, err := b.repository("git-status")
	if err != nil {
		return err
	}
	if _, err := plainShell(session.SessionID, "cd "+path+" && echo more >> file && echo new > 'new file' && echo staged > staged && git add staged"); err != nil {
		return err
	}
	status, err := session.Git.Status(path)
	if err != nil {
		return err
	}
	kinds := map[string]string{}
	for _, file := range status.Files {
		kinds[strings.Trim(file.Path, `"`)] = fmt.Sprintf("%s %v", file.Status, file.Staged)
	}
	_, none := session.Git.Status("/tmp")
	var notARepository *git.GitNotARepoError
	return first(must(status.CurrentBranch == "main", "on %s", status.CurrentBranch),
		must(kinds["file"] == "modified false" && kinds["new file"] == "untracked false" && kinds["staged"] == "added true", "got %v", kinds),
		must(errors.As(none, &notARepository), "/tmp: %v", none))
}
