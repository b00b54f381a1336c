package conformance;

import static conformance.Main.SCENARIOS;
import static conformance.Main.must;

import com.aliyun.agentbay.model.CommandResult;
import com.aliyun.agentbay.session.Session;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Commands. These releases have one text and a success flag. */
final class Commands {
    private Commands() {}

    static void register() {
        SCENARIOS.put("shell-output", Commands::output);
        SCENARIOS.put("shell-plain-text", Commands::plainText);
        SCENARIOS.put("shell-exit-code", Commands::exitCode);
        SCENARIOS.put("shell-odd-bytes", Commands::oddBytes);
        SCENARIOS.put("shell-timeout", Commands::timeout);
        SCENARIOS.put("shell-no-output", Commands::noOutput);
        SCENARIOS.put("shell-big-output", Commands::bigOutput);
        SCENARIOS.put("shell-parallel", Commands::parallel);
    }

    private static void output(Bench bench) throws Exception {
        Session session = bench.session(null);
        String text = "erste Zeile: grüße\n世界 🚢\n\tTab und \"quotes\" und \\back\\\n";
        String folder = bench.folder(session, "output");
        Plain.sh(session.getSessionId(), "cat > " + folder + "/text <<'END'\n" + text + "END\necho made");
        CommandResult got = bench.run(session, "cat " + folder + "/text");
        must(got.isSuccess() && got.getOutput().equals(text), "the text", got.getOutput());
    }

    private static void plainText(Bench bench) throws Exception {
        CommandResult got = bench.run(bench.session(null), "echo out; echo err >&2");
        must(got.isSuccess() && got.getOutput().startsWith("out\n") && !got.getOutput().contains("exit_code"), "bare output", got.getOutput());
    }

    private static void exitCode(Bench bench) throws Exception {
        must(bench.run(bench.session(null), "true").isSuccess(), "true succeeds");
        for (Object[] one : List.of(new Object[] {"echo some words; exit 7", "7"}, new Object[] {"no-such-program", "127"})) {
            CommandResult got = bench.run(bench.session(null), (String) one[0]);
            must(!got.isSuccess() && got.getErrorMessage().contains((String) one[1]), "names " + one[1], got.getErrorMessage());
        }
    }

    private static void oddBytes(Bench bench) throws Exception {
        CommandResult got = bench.run(bench.session(null), "printf 'a\\000b\\001c\\033[0m\\n'");
        must(got.getOutput().equals("a\0b\u0001c\u001b[0m\n"), "every byte", got.getOutput());
    }

    private static void timeout(Bench bench) throws Exception {
        Session session = bench.session(null);
        long began = System.nanoTime();
        CommandResult got = session.getCommand().executeCommand("(setsid sleep 987 >/dev/null 2>&1 &) ; sleep 986", 1500);
        must(!got.isSuccess() && got.getErrorMessage().toLowerCase().contains("time"), "says that time was over", got.getErrorMessage());
        must(System.nanoTime() - began < 20_000_000_000L, "in time");
        String left = Plain.sh(session.getSessionId(), "pgrep -fc 'sleep 98[67]$' || true");
        must(left.strip().equals("0"), "nothing left", left);
    }

    private static void noOutput(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "silent");
        CommandResult got = bench.run(session, "touch " + folder + "/done");
        must(got.isSuccess() && got.getOutput().isBlank(), "silence", got.getOutput());
        must(Plain.sh(session.getSessionId(), "ls " + folder).equals("done\n"), "the file is there");
    }

    private static void bigOutput(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "big");
        Plain.sh(session.getSessionId(), "seq -f 'line %.0f' 95000 > " + folder + "/lines && echo made");
        String wanted = Bench.checksum(session.getSessionId(), folder + "/lines");
        String got = bench.run(session, "cat " + folder + "/lines").getOutput();
        must(got.length() > 1_000_000 && Files.hash(got).equals(wanted), "the same checksum", got.length());
    }

    private static void parallel(Bench bench) throws Exception {
        Session session = bench.session(null);
        ExecutorService threads = Executors.newFixedThreadPool(20);
        long began = System.nanoTime();
        try {
            List<Future<CommandResult>> answers = new ArrayList<>();
            for (int n = 0; n < 20; n++) {
                String command = "sleep 1; echo answer " + n;
                answers.add(threads.submit(() -> bench.run(session, command)));
            }
            for (int n = 0; n < 20; n++) {
                String got = answers.get(n).get().getOutput();
                must(("answer " + n + "\n").equals(got), "answer " + n, got);
            }
        } finally {
            threads.shutdownNow();
        }
        must(System.nanoTime() - began < 15_000_000_000L, "side by side", System.nanoTime() - began);
    }
}
