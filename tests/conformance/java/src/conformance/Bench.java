package conformance;

import com.aliyun.agentbay.AgentBay;
import com.aliyun.agentbay.Config;
import com.aliyun.agentbay.model.CommandResult;
import com.aliyun.agentbay.model.SessionResult;
import com.aliyun.agentbay.session.CreateSessionParams;
import com.aliyun.agentbay.session.Session;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a scenario works with. */
final class Bench {
    static final String CODE_IMAGE = "code_latest";

    final AgentBay bay = client(System.getenv("AGENTBAY_API_KEY"));
    final String column = System.getenv().getOrDefault("ROADSTEAD_CONFORMANCE_COLUMN", "by-hand");
    private final Map<String, Session> shared = new HashMap<>();
    private final List<Session> extra = new ArrayList<>();

    /** These releases read the key from the environment, and the endpoint from the program alone. */
    static AgentBay client(String key) {
        try {
            return new AgentBay(key, new Config("local", System.getenv("AGENTBAY_ENDPOINT"), 60000));
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    /** A session of the scenario's own; it is ended afterwards if the scenario did not do it. */
    Session create(String image, String... labels) throws Exception {
        Map<String, String> all = new HashMap<>(Map.of("conformance", column));
        for (int n = 0; n + 1 < labels.length; n += 2) {
            all.put(labels[n], labels[n + 1]);
        }
        CreateSessionParams params = new CreateSessionParams();
        params.setLabels(all);
        if (image != null) {
            params.setImageId(image);
        }
        SessionResult result = bay.create(params);
        Main.must(result.isSuccess() && result.getSession() != null, "create", result.getErrorMessage());
        extra.add(result.getSession());
        return result.getSession();
    }

    /** The shared session of an image. */
    Session session(String image) throws Exception {
        Session session = shared.get(image);
        if (session == null) {
            session = create(image);
            extra.remove(session);
            shared.put(image, session);
        }
        return session;
    }

    /** An empty directory for this scenario. */
    String folder(Session session, String name) throws Exception {
        String path = "/tmp/conformance/" + name;
        Plain.sh(session.getSessionId(), "rm -rf " + path + " && mkdir -p " + path + " && echo made");
        return path;
    }

    CommandResult run(Session session, String command) {
        return session.getCommand().executeCommand(command, 30000);
    }

    /** Ends what the scenario left; after a failure the shared sessions too, as nobody knows what it did to them. */
    void tidy(boolean broken) {
        List<Session> leaving = new ArrayList<>(extra);
        extra.clear();
        if (broken) {
            leaving.addAll(shared.values());
            shared.clear();
        }
        for (Session session : leaving) {
            try {
                Plain.ask("ReleaseMcpSession", "SessionId", session.getSessionId());
            } catch (Exception gone) {
                // The scenario has ended it itself.
            }
        }
    }

    static String checksum(String session, String path) throws Exception {
        return Plain.sh(session, "sha256sum < '" + path + "'").split(" ")[0];
    }

    static boolean saysNotFound(String text) {
        String lower = String.valueOf(text).toLowerCase();
        return lower.contains("not found") || lower.contains("notfound") || lower.contains("no session");
    }
}
