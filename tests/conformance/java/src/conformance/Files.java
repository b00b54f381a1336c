package conformance;

import static conformance.Main.SCENARIOS;
import static conformance.Main.must;

import com.aliyun.agentbay.filesystem.FileSystem;
import com.aliyun.agentbay.model.BoolResult;
import com.aliyun.agentbay.model.FileContentResult;
import com.aliyun.agentbay.session.Session;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** Files: what the SDK writes is read by a command, and the other way round. */
final class Files {
    private Files() {}

    static void register() {
        SCENARIOS.put("file-write-read", Files::writeRead);
        SCENARIOS.put("file-append", Files::append);
        SCENARIOS.put("file-empty", Files::empty);
        SCENARIOS.put("file-large-text", Files::largeText);
        SCENARIOS.put("file-200-mb", Files::huge);
        SCENARIOS.put("file-cut-characters", Files::cutCharacters);
        SCENARIOS.put("file-info", Files::info);
        SCENARIOS.put("file-list", Files::list);
        SCENARIOS.put("file-create-directory", Files::createDirectory);
        SCENARIOS.put("file-move", Files::move);
        SCENARIOS.put("file-edit", Files::edit);
        SCENARIOS.put("file-search", Files::search);
        SCENARIOS.put("file-read-many", Files::readMany);
        SCENARIOS.put("file-missing", Files::missing);
    }

    static String hash(String text) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static void well(BoolResult result) {
        must(result.isSuccess(), "it succeeds", result.getErrorMessage());
    }

    private static void thereAndBack(Session session, String path, String text) throws Exception {
        well(session.getFileSystem().writeFile(path, text, "overwrite"));
        must(Bench.checksum(session.getSessionId(), path).equals(hash(text)), "written as it was");
        FileContentResult read = session.getFileSystem().readFile(path);
        must(read.isSuccess() && read.getContent().equals(text), "read as it was", read.getErrorMessage());
    }

    private static void writeRead(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "write");
        thereAndBack(session, folder + "/deep/er/hello.txt", "grüße, 世界\n  second line\n\n");
        String owner = Plain.sh(session.getSessionId(), "stat -c %U " + folder + "/deep/er/hello.txt; printf 'von der Shell – ä' > " + folder + "/shell.txt");
        must(owner.equals("wuying\n"), "its owner", owner);
        String text = session.getFileSystem().readFile(folder + "/shell.txt").getContent();
        must(text.equals("von der Shell – ä"), "what a command wrote", text);
    }

    private static void append(Bench bench) throws Exception {
        Session session = bench.session(null);
        String path = bench.folder(session, "append") + "/log";
        well(session.getFileSystem().writeFile(path, "one", "overwrite"));
        well(session.getFileSystem().writeFile(path, "+two", "append"));
        String text = Plain.sh(session.getSessionId(), "cat " + path);
        must(text.equals("one+two"), "both", text);
        well(session.getFileSystem().writeFile(path, "four", "overwrite"));
        text = Plain.sh(session.getSessionId(), "cat " + path);
        must(text.equals("four"), "the last alone", text);
    }

    private static void empty(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "empty");
        String size = Plain.sh(session.getSessionId(), "touch " + folder + "/touched && stat -c %s " + folder + "/touched");
        FileContentResult read = session.getFileSystem().readFile(folder + "/touched");
        must(size.equals("0\n") && read.isSuccess() && read.getContent().isEmpty(), "nothing", size, read.getContent(), read.getErrorMessage());
    }

    private static void huge(Bench bench) throws Exception {
        Session session = bench.session(null);
        byte[] random = new byte[150 << 20];
        new SecureRandom().nextBytes(random);
        String path = bench.folder(session, "huge") + "/file";
        thereAndBack(session, path, Base64.getEncoder().encodeToString(random));
        must(Plain.sh(session.getSessionId(), "stat -c %s " + path + "; rm " + path).equals((200 << 20) + "\n"), "200 MB");
    }

    private static void largeText(Bench bench) throws Exception {
        Session session = bench.session(null);
        StringBuilder text = new StringBuilder();
        for (int n = 0; n < 70_000; n++) {
            text.append(String.format("%07d the quick brown fox jumps over the lazy dog 0123456789 abcdefg%n", n));
        }
        thereAndBack(session, bench.folder(session, "large") + "/text", text.toString());
    }

    private static void cutCharacters(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "cut");
        for (String character : List.of("ä", "漢", "🚢")) {
            int width = character.getBytes(StandardCharsets.UTF_8).length;
            for (int shift = 1; shift < width; shift++) {
                thereAndBack(session, folder + "/" + width + "-" + shift, acrossBorders(character, width, shift));
            }
        }
    }

    /** A text in which every border of a piece cuts the character after `shift` bytes. */
    private static String acrossBorders(String character, int width, int shift) {
        TreeSet<Integer> borders = new TreeSet<>();
        for (int piece : List.of(51_200, 52_224, 61_440)) {
            borders.addAll(List.of(piece, 2 * piece, 3 * piece));
        }
        StringBuilder text = new StringBuilder();
        int at = 0;
        for (int border : borders) {
            if (border - shift >= at) {
                text.append("x".repeat(border - shift - at)).append(character);
                at = border - shift + width;
            }
        }
        return text + "end";
    }

    private static void info(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "info");
        Plain.sh(session.getSessionId(), "cd " + folder + " && head -c 12345 /dev/zero > file && mkdir dir && echo made");
        Map<String, Object> file = session.getFileSystem().getFileInfo(folder + "/file").getFileInfo();
        must("12345".equals(String.valueOf(file.get("size"))) && "false".equals(String.valueOf(file.get("isDirectory"))), "a file", file);
        Map<String, Object> directory = session.getFileSystem().getFileInfo(folder + "/dir").getFileInfo();
        must("true".equals(String.valueOf(directory.get("isDirectory"))), "a directory", directory);
    }

    private static void list(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "list");
        Plain.sh(session.getSessionId(), "cd " + folder + " && mkdir dir 'two words' && touch a.txt 'b c.txt' .hidden && echo made");
        Map<String, String> kinds = new TreeMap<>();
        for (Map<String, Object> entry : session.getFileSystem().listDirectory(folder).getEntries()) {
            kinds.put(String.valueOf(entry.get("name")), String.valueOf(entry.get("isDirectory")));
        }
        Map<String, String> wanted = Map.of("dir", "true", "two words", "true", "a.txt", "false", "b c.txt", "false", ".hidden", "false");
        must(kinds.equals(wanted), "the entries", kinds);
    }

    private static void createDirectory(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "mkdir");
        well(session.getFileSystem().createDirectory(folder + "/a/b/c"));
        must(Plain.sh(session.getSessionId(), "stat -c %F " + folder + "/a/b/c").equals("directory\n"), "a directory");
    }

    private static void move(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "move");
        Plain.sh(session.getSessionId(), "echo content > " + folder + "/old && echo made");
        well(session.getFileSystem().moveFile(folder + "/old", folder + "/new name"));
        String text = Plain.sh(session.getSessionId(), "ls " + folder + "; cat '" + folder + "/new name'");
        must(text.equals("new name\ncontent\n"), "moved", text);
    }

    private static void edit(Bench bench) throws Exception {
        Session session = bench.session(null);
        String path = bench.folder(session, "edit") + "/text";
        Plain.sh(session.getSessionId(), "printf 'first\\nsecond\\nthird\\n' > " + path + " && echo made");
        List<Map<String, String>> edits =
                List.of(Map.of("oldText", "second", "newText", "zweite"), Map.of("oldText", "third", "newText", "dritte"));
        well(session.getFileSystem().editFile(path, edits, true));
        String dry = Plain.sh(session.getSessionId(), "cat " + path);
        must(dry.equals("first\nsecond\nthird\n"), "a dry run changes nothing", dry);
        well(session.getFileSystem().editFile(path, edits, false));
        must(!session.getFileSystem().editFile(path, List.of(Map.of("oldText", "not in there", "newText", "x"))).isSuccess(), "refused");
        String text = Plain.sh(session.getSessionId(), "cat " + path);
        must(text.equals("first\nzweite\ndritte\n"), "edited", text);
    }

    private static void search(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "search");
        Plain.sh(session.getSessionId(), "cd " + folder + " && mkdir -p src/deep build && touch a.py src/b.py src/deep/c.py build/d.py src/e.txt && echo made");
        found(session, folder, List.of(), "/a.py", "/build/d.py", "/src/b.py", "/src/deep/c.py");
        found(session, folder, List.of("build", "deep"), "/a.py", "/src/b.py");
    }

    private static void found(Session session, String folder, List<String> without, String... wanted) {
        TreeSet<String> names = new TreeSet<>();
        for (String path : session.getFileSystem().searchFiles(folder, "*.py", without).getMatches()) {
            names.add(path.replace(folder, ""));
        }
        must(names.equals(new TreeSet<>(List.of(wanted))), "found without " + without, names);
    }

    private static void readMany(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "many");
        Plain.sh(session.getSessionId(), "cd " + folder + " && printf 'one\\nline: two\\n' > a && printf 'ä: b' > b && echo made");
        Map<String, String> contents =
                session.getFileSystem().readMultipleFiles(List.of(folder + "/a", folder + "/b")).getFiles();
        must("one\nline: two".equals(contents.get(folder + "/a").strip()) && "ä: b".equals(contents.get(folder + "/b").strip()), "contents", contents);
    }

    private static void missing(Bench bench) throws Exception {
        FileSystem files = bench.session(null).getFileSystem();
        String path = "/tmp/conformance/there-is-no-such-thing";
        Map<String, String> told = Map.of(
                "read", String.valueOf(files.readFile(path).getErrorMessage()),
                "info", String.valueOf(files.getFileInfo(path).getErrorMessage()),
                "list", String.valueOf(files.listDirectory(path).getErrorMessage()),
                "edit", String.valueOf(files.editFile(path, List.of(Map.of("oldText", "a", "newText", "b"))).getErrorMessage()),
                "move", String.valueOf(files.moveFile(path, path + "2").getErrorMessage()));
        told.forEach((what, text) -> must(text.contains("there-is-no-such-thing"), what + " names the path", text));
    }
}
