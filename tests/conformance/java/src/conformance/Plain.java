package conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The second path: the protocol by hand, past the SDK. */
final class Plain {
    /** The server's error. */
    static final class Refused extends Exception {
        final String code;

        Refused(int status, JsonNode body) {
            super(status + " " + body.path("Code").asText() + ": " + body.path("Message").asText());
            code = body.path("Code").asText();
        }
    }

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private Plain() {}

    /** Asks for an action; names and values of its parameters follow. */
    static JsonNode ask(String action, String... pairs) throws Exception {
        StringBuilder form = new StringBuilder("Authorization=" + encode("Bearer " + System.getenv("AGENTBAY_API_KEY")));
        for (int n = 0; n + 1 < pairs.length; n += 2) {
            form.append('&').append(pairs[n]).append('=').append(encode(pairs[n + 1]));
        }
        URI url = URI.create(System.getenv("ROADSTEAD_CONFORMANCE_URL") + "/?Version=2025-05-06&Format=json&Action=" + action);
        HttpRequest request = HttpRequest.newBuilder(url)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(form.toString()))
                .build();
        HttpResponse<String> answer = CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
        JsonNode body = JSON.readTree(answer.body());
        if (answer.statusCode() >= 400) {
            throw new Refused(answer.statusCode(), body);
        }
        return body;
    }

    /** Standard output of a command that must succeed. */
    static String sh(String session, String command) throws Exception {
        String args = JSON.writeValueAsString(Map.of("command", command, "timeout_ms", 50000));
        JsonNode data = ask("CallMcpTool", "SessionId", session, "Name", "shell", "Args", args).get("Data");
        String text = data.get("content").get(0).get("text").asText();
        JsonNode result = text.startsWith("{") ? JSON.readTree(text) : null;
        if (result == null || !result.has("exit_code")) {
            // A session that an old SDK made answers in the old form, which is the output alone.
            Main.must(!data.get("isError").asBoolean(), command, text);
            return text;
        }
        Main.must(result.get("exit_code").asInt() == 0, command, text);
        return result.get("stdout").asText();
    }

    /** Whether the server still knows a session. */
    static boolean exists(String session) throws Exception {
        try {
            ask("GetSession", "SessionId", session);
            return true;
        } catch (Refused refused) {
            Main.must(refused.code.equals("InvalidMcpSession.NotFound"), "another error", refused.getMessage());
            return false;
        }
    }

    /** Ids of the sessions with these labels. */
    static List<String> find(Map<String, String> labels) throws Exception {
        List<String> ids = new ArrayList<>();
        for (JsonNode entry : ask("ListSession", "Labels", JSON.writeValueAsString(labels), "MaxResults", "100").get("Data")) {
            ids.add(entry.get("SessionId").asText());
        }
        return ids;
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
