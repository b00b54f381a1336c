package conformance;

import static conformance.Main.SCENARIOS;
import static conformance.Main.must;

import com.aliyun.agentbay.mcp.McpTool;
import com.aliyun.agentbay.mcp.McpToolsResult;
import com.aliyun.agentbay.model.CodeExecutionResult;
import com.aliyun.agentbay.model.OperationResult;
import com.aliyun.agentbay.session.Session;
import java.net.URL;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/** Links, tools, code, and what a Linux image does not have. */
final class More {
    private More() {}

    static void register() {
        SCENARIOS.put("link-https", More::linkHttps);
        SCENARIOS.put("link-refused-port", More::linkRefusedPort);
        SCENARIOS.put("tools-list", More::toolsList);
        SCENARIOS.put("code-run", More::codeRun);
        SCENARIOS.put("code-state", More::codeState);
        SCENARIOS.put("code-error", More::codeError);
        SCENARIOS.put("code-timeout", More::codeTimeout);
        SCENARIOS.put("code-javascript", More::codeJavascript);
        refuses("refuse-screen", "screenshot");
        refuses("refuse-mouse", "clickMouse", 1, 1);
        refuses("refuse-windows", "listRootWindows");
    }

    /** By reflection: 0.0.5 has no such module. */
    private static void refuses(String name, String method, Integer... arguments) {
        SCENARIOS.put(name, bench -> {
            Class<?>[] types = new Class<?>[arguments.length];
            Arrays.fill(types, int.class);
            Object result;
            try {
                Object computer = Session.class.getMethod("getComputer").invoke(bench.session(null));
                result = computer.getClass().getMethod(method, types).invoke(computer, (Object[]) arguments);
            } catch (NoSuchMethodException missing) {
                throw new Main.Absent("no " + missing.getMessage());
            }
            String text = String.valueOf(result.getClass().getMethod("getErrorMessage").invoke(result));
            must(text.contains("image"), "names the image that has it", text);
        });
    }

    private static void linkHttps(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "link");
        Plain.sh(session.getSessionId(), "cd " + folder + " && echo 'from inside' > page && (setsid python3 -m http.server 30121 >/dev/null 2>&1 &); "
                + "until curl -s -o /dev/null http://127.0.0.1:30121/; do sleep 0.05; done; echo up");
        try {
            OperationResult link = session.getLink("https", 30121);
            must(link.isSuccess() && link.getData().startsWith("https://"), "a link", link);
            try (java.io.InputStream page = new URL(link.getData().replaceAll("/$", "") + "/page").openStream()) {
                String text = new String(page.readAllBytes());
                must(text.equals("from inside\n"), "the page", text);
            }
        } finally {
            Plain.sh(session.getSessionId(), "pkill -f '[h]ttp.server 30121'; echo ended");
        }
    }

    private static void linkRefusedPort(Bench bench) throws Exception {
        String text;
        try {
            OperationResult link = bench.session(null).getLink("https", 22);
            must(!link.isSuccess(), "port 22 was given", link);
            text = link.getErrorMessage();
        } catch (Exception error) {
            text = Sessions.messages(error);
        }
        must(text.contains("30100") && text.contains("30199"), "names the range", text);
    }

    private static void toolsList(Bench bench) throws Exception {
        McpToolsResult list = bench.session(null).listMcpTools();
        Set<String> names = new HashSet<>();
        for (McpTool tool : list.getTools()) {
            names.add(tool.getName());
            must(!tool.getServer().isEmpty() && !tool.getDescription().isEmpty(), "complete", tool.getName());
        }
        must(names.contains("shell") && names.contains("read_file"), "the tools", names);
    }

    private static CodeExecutionResult code(Bench bench, String text, String language, int limit) throws Exception {
        return bench.session(Bench.CODE_IMAGE).getCode().runCode(text, language, limit);
    }

    private static String said(CodeExecutionResult result) {
        return String.join("\n", String.valueOf(result.getResult()), String.valueOf(result.getOutput()), String.valueOf(result.getErrorMessage()));
    }

    private static void codeRun(Bench bench) throws Exception {
        CodeExecutionResult result = code(bench, "print('printed', 6 * 7)\n'the value'", "python", 50);
        must(result.isSuccess() && said(result).contains("printed 42"), "its output", said(result));
        must(!result.getResult().strip().startsWith("{"), "bare text", result.getResult());
    }

    private static void codeState(Bench bench) throws Exception {
        String before = said(code(bench, "import os\nkept = 41\nprint('pid', os.getpid())", "python", 50));
        String after = said(code(bench, "kept += 1\nprint('pid', os.getpid(), 'kept', kept)", "python", 50));
        String pid = before.replaceAll("(?s).*pid (\\d+).*", "$1");
        must(after.contains("pid " + pid + " kept 42"), "the same process", before, after);
        String name = Plain.sh(bench.session(Bench.CODE_IMAGE).getSessionId(), "cat /proc/" + pid + "/comm");
        must(name.contains("python"), "a Python", name);
    }

    private static void codeError(Bench bench) throws Exception {
        code(bench, "before = 'kept'", "python", 50);
        String text = said(code(bench, "{}['no such key']", "python", 50));
        must(text.contains("KeyError") && text.contains("no such key"), "the error", text);
        text = said(code(bench, "print(before)", "python", 50));
        must(text.contains("kept"), "the state", text);
    }

    private static void codeTimeout(Bench bench) throws Exception {
        code(bench, "survivor = 'alive'", "python", 50);
        String text = said(code(bench, "while True: pass", "python", 3)).toLowerCase();
        must(text.contains("time") || text.contains("interrupt"), "the time-out", text);
        text = said(code(bench, "print(survivor)", "python", 50));
        must(text.contains("alive"), "the state", text);
    }

    private static void codeJavascript(Bench bench) throws Exception {
        String text = said(code(bench, "var kept = 20; console.log('first', kept * 2)", "javascript", 50));
        must(text.contains("first 40"), "first", text);
        text = said(code(bench, "kept += 1; console.log('then', kept * 2)", "javascript", 50));
        must(text.contains("then 42"), "then", text);
    }
}
