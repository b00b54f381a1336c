package conformance;

import com.aliyun.agentbay.AgentBay;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/** The Java column of the conformance suite: every scenario against the released SDK, one JSON line each. */
public final class Main {
    /** The SDK at this version has no such call. */
    static final class Absent extends RuntimeException {
        Absent(String what) {
            super(what);
        }
    }

    interface Scenario {
        void run(Bench bench) throws Exception;
    }

    static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        // The SDK prints to standard output too.
        PrintStream report = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        report.println(JSON.writeValueAsString(Map.of("sdk", "java", "version", installedVersion(), "mode", "sync")));
        Sessions.register();
        Commands.register();
        Files.register();
        More.register();
        Contexts.register();

        Bench bench = new Bench();
        String wanted = System.getenv().getOrDefault("ROADSTEAD_CONFORMANCE_SCENARIOS", "");
        Iterable<String> names = wanted.isEmpty() ? List.copyOf(SCENARIOS.keySet()) : List.of(wanted.split(","));
        for (String name : names) {
            long began = System.nanoTime();
            String status = "pass";
            String detail = "";
            Scenario scenario = SCENARIOS.get(name);
            try {
                if (scenario == null) {
                    throw new Absent("the Java SDK has no such call");
                }
                scenario.run(bench);
            } catch (Absent absent) {
                status = "absent";
                detail = absent.getMessage();
            } catch (Throwable failed) {
                status = "fail";
                detail = String.valueOf(failed.getMessage() == null ? failed : failed.getMessage());
            }
            bench.tidy(status.equals("fail"));
            String shown = detail.replace("\n", " ⏎ ");
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("scenario", name);
            line.put("status", status);
            line.put("detail", shown.substring(0, Math.min(500, shown.length())));
            line.put("ms", (System.nanoTime() - began) / 1_000_000);
            report.println(JSON.writeValueAsString(line));
        }
        bench.tidy(true);
        // The SDK's HTTP client keeps threads.
        System.exit(0);
    }

    /** What the jar that the client comes from says. */
    private static String installedVersion() throws Exception {
        try (InputStream file = AgentBay.class.getResourceAsStream("/META-INF/maven/com.aliyun/agentbay-sdk/pom.properties")) {
            Properties properties = new Properties();
            properties.load(file);
            return properties.getProperty("version");
        }
    }

    /** Says what was expected and what came. */
    static void must(boolean holds, String expected, Object... came) {
        if (!holds) {
            throw new AssertionError(expected + ": " + java.util.Arrays.deepToString(came));
        }
    }
}
