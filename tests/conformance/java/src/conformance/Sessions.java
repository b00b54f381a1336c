package conformance;

import static conformance.Main.SCENARIOS;
import static conformance.Main.must;

import com.aliyun.agentbay.model.DeleteResult;
import com.aliyun.agentbay.model.GetSessionResult;
import com.aliyun.agentbay.model.SessionInfoResult;
import com.aliyun.agentbay.model.SessionResult;
import com.aliyun.agentbay.session.CreateSessionParams;
import com.aliyun.agentbay.session.Session;
import java.util.List;
import java.util.Map;

/** Making, finding and ending sessions. */
final class Sessions {
    private Sessions() {}

    static void register() {
        SCENARIOS.put("session-create-delete", Sessions::createDelete);
        SCENARIOS.put("session-image-labels", Sessions::imageLabels);
        SCENARIOS.put("session-image-unknown", Sessions::imageUnknown);
        SCENARIOS.put("session-delete-twice", Sessions::deleteTwice);
        SCENARIOS.put("session-get", Sessions::get);
        SCENARIOS.put("session-info", Sessions::info);
        SCENARIOS.put("session-info-released", Sessions::infoReleased);
        SCENARIOS.put("session-foreign-call", Sessions::callAfterDelete);
        SCENARIOS.put("session-wrong-key", Sessions::wrongKey);
    }

    private static void createDelete(Bench bench) throws Exception {
        Session session = bench.create(null);
        must(Plain.exists(session.getSessionId()), "the server knows it");
        String user = bench.run(session, "id -un").getOutput();
        must(user.equals("wuying\n"), "the user", user);
        DeleteResult deleted = session.delete();
        must(deleted.isSuccess(), "delete", deleted.getErrorMessage());
        must(!Plain.exists(session.getSessionId()), "it is gone");
    }

    private static void imageLabels(Bench bench) throws Exception {
        Session session = bench.create("linux_latest", "colour", "dunkelgrün");
        List<String> found = Plain.find(Map.of("conformance", bench.column, "colour", "dunkelgrün"));
        must(found.equals(List.of(session.getSessionId())), "found", found);
        must(!bench.run(session, "cat /etc/debian_version").getOutput().isBlank(), "Debian");
    }

    private static void imageUnknown(Bench bench) {
        CreateSessionParams params = new CreateSessionParams();
        params.setImageId("no_such_image");
        String text;
        try {
            SessionResult result = bench.bay.create(params);
            must(!result.isSuccess(), "it was made");
            text = result.getErrorMessage();
        } catch (Exception error) {
            text = messages(error);
        }
        must(text.contains("no_such_image"), "names the image", text);
    }

    private static void deleteTwice(Bench bench) throws Exception {
        Session session = bench.create(null);
        must(session.delete().isSuccess(), "the first one");
        DeleteResult again = session.delete();
        must(!again.isSuccess() && Bench.saysNotFound(again.getErrorMessage()), "the second one", again.getErrorMessage());
    }

    private static void get(Bench bench) throws Exception {
        Session session = bench.session(null);
        String folder = bench.folder(session, "get");
        bench.run(session, "echo here > " + folder + "/mark");
        GetSessionResult known = bench.bay.getSessionInfo(session.getSessionId());
        must(known.isSuccess(), "the known one", known.getErrorMessage());
        String text = bench.run(new Session(bench.bay, session.getSessionId()), "cat " + folder + "/mark").getOutput();
        must(text.equals("here\n"), "the file of the first one", text);
        GetSessionResult unknown = bench.bay.getSessionInfo("session-0000000000000000");
        must(!unknown.isSuccess() && Bench.saysNotFound(unknown.getErrorMessage()), "an unknown one", unknown.getErrorMessage());
    }

    private static void info(Bench bench) throws Exception {
        Session session = bench.session(null);
        SessionInfoResult result = session.info();
        must(result.isSuccess(), "info", result.getErrorMessage());
        must(result.getSessionInfo().getSessionId().equals(session.getSessionId()), "its id", result.getSessionInfo());
        must(result.getSessionInfo().getResourceUrl().length() >= 100, "a resource URL", result.getSessionInfo());
        // A page that the JVM's trust store lets us open.
        try (java.io.InputStream page = new java.net.URL(result.getSessionInfo().getResourceUrl()).openStream()) {
            must(new String(page.readAllBytes()).contains(session.getSessionId()), "the page names the session");
        }
    }

    private static void infoReleased(Bench bench) throws Exception {
        Session session = bench.create(null);
        session.delete();
        String text;
        try {
            SessionInfoResult result = session.info();
            must(!result.isSuccess(), "it claims success");
            text = result.getErrorMessage();
        } catch (Exception error) {
            text = messages(error);
        }
        must(Bench.saysNotFound(text), "says not found", text);
    }

    private static void callAfterDelete(Bench bench) throws Exception {
        Session session = bench.create(null);
        session.delete();
        var result = bench.run(session, "echo still here");
        must(!result.isSuccess() && !String.valueOf(result.getOutput()).contains("still here"), "it fails", result.getOutput());
        must(Bench.saysNotFound(result.getErrorMessage()), "says not found", result.getErrorMessage());
    }

    private static void wrongKey(Bench bench) throws Exception {
        CreateSessionParams params = new CreateSessionParams();
        params.setLabels(Map.of("conformance", bench.column, "wrong", "key"));
        String text;
        try {
            SessionResult result = Bench.client("akm-not-a-key-of-this-server").create(params);
            must(!result.isSuccess(), "it was let in");
            text = result.getErrorMessage();
        } catch (Exception error) {
            text = messages(error);
        }
        must(text.toLowerCase().contains("key"), "speaks of the key", text);
        must(Plain.find(Map.of("conformance", bench.column, "wrong", "key")).isEmpty(), "nothing was made");
    }

    /** The texts of an error and its causes. */
    static String messages(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable one = error; one != null; one = one.getCause()) {
            text.append(one).append("; ");
        }
        return text.toString();
    }
}
