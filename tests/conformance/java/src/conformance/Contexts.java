package conformance;

import static conformance.Main.SCENARIOS;
import static conformance.Main.must;

import com.aliyun.agentbay.context.Context;
import com.aliyun.agentbay.context.ContextListParams;
import com.aliyun.agentbay.context.ContextListResult;
import com.aliyun.agentbay.context.ContextResult;
import com.aliyun.agentbay.context.ContextService;
import com.aliyun.agentbay.model.FileUrlResult;
import com.aliyun.agentbay.model.OperationResult;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Contexts without sessions. These releases cannot rename, list files or clear: the plain protocol does that here. */
final class Contexts {
    private Contexts() {}

    static void register() {
        SCENARIOS.put("context-life", Contexts::life);
        SCENARIOS.put("context-files", Contexts::files);
        SCENARIOS.put("context-pages", Contexts::pages);
        SCENARIOS.put("context-refused", Contexts::refused);
    }

    private static Context make(Bench bench, String name) throws Exception {
        ContextResult made = bench.bay.getContext().create("conformance-" + name + "-" + bench.column);
        must(made.isSuccess() && made.getContextId() != null, "a context", made.getErrorMessage());
        return made.getContext();
    }

    private static void remove(String id) throws Exception {
        Plain.ask("DeleteContext", "Id", id);
    }

    private static void life(Bench bench) throws Exception {
        ContextService contexts = bench.bay.getContext();
        Context made = make(bench, "life");
        String name = "conformance-life-" + bench.column;
        must(contexts.get(name).getContextId().equals(made.getId()), "the same by its name", name);
        must(contexts.list().getContexts().stream().anyMatch(entry -> entry.getId().equals(made.getId())), "listed", made.getId());
        Plain.ask("ModifyContext", "Id", made.getId(), "Name", name + "-renamed");
        must(contexts.get(name + "-renamed").getContextId().equals(made.getId()), "the same by its new name", name);
        OperationResult gone = contexts.delete(made);
        must(gone.isSuccess(), "deleted", gone.getErrorMessage());
        try {
            Plain.ask("GetContext", "ContextId", made.getId());
            must(false, "it is gone");
        } catch (Plain.Refused refused) {
            must(refused.code.equals("EntityNotExist"), "not there", refused.getMessage());
        }
    }

    /** A presigned URL as any HTTP client uses it. */
    private static byte[] transfer(String method, String url, byte[] data) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        connection.setRequestMethod(method);
        if (data != null) {
            connection.setDoOutput(true);
            try (OutputStream body = connection.getOutputStream()) {
                body.write(data);
            }
        }
        must(connection.getResponseCode() == 200, method, connection.getResponseCode());
        try (InputStream body = connection.getInputStream()) {
            return body.readAllBytes();
        }
    }

    private static List<String> listed(String id) throws Exception {
        List<String> rows = new ArrayList<>();
        for (JsonNode row : Plain.ask("DescribeContextFiles", "ContextId", id, "ParentFolderPath", "/tmp/dir").get("Data")) {
            rows.add(row.get("FilePath").asText() + " " + row.get("Size").asText());
        }
        return rows;
    }

    private static void files(Bench bench) throws Exception {
        ContextService contexts = bench.bay.getContext();
        Context made = make(bench, "files");
        try {
            byte[] data = new byte[1_200_000];
            for (int n = 0; n < data.length; n++) {
                data[n] = (byte) (n * 31 >> 3);
            }
            String path = "/tmp/dir/a b ü.bin";
            FileUrlResult up = contexts.getFileUploadUrl(made.getId(), path);
            must(up.isSuccess(), "an upload URL", up.getErrorMessage());
            transfer("PUT", up.getUrl(), data);
            must(listed(made.getId()).equals(List.of(path + " 1200000")), "listed", listed(made.getId()));
            FileUrlResult down = contexts.getFileDownloadUrl(made.getId(), path);
            must(Arrays.equals(transfer("GET", down.getUrl(), null), data), "the same bytes", down.getUrl());
            OperationResult gone = contexts.deleteFile(made.getId(), path);
            must(gone.isSuccess(), "removed", gone.getErrorMessage());
            must(listed(made.getId()).isEmpty(), "nothing left", listed(made.getId()));
        } finally {
            remove(made.getId());
        }
    }

    private static void pages(Bench bench) throws Exception {
        List<String> wanted = new ArrayList<>();
        try {
            for (int n = 0; n < 5; n++) {
                wanted.add(make(bench, "page-" + n).getId());
            }
            Set<String> seen = new HashSet<>();
            String token = null;
            do {
                ContextListParams params = new ContextListParams();
                params.setMaxResults(2);
                if (token != null) {
                    params.setNextToken(token);
                }
                ContextListResult page = bench.bay.getContext().list(params);
                must(page.isSuccess() && page.getContexts().size() <= 2, "a page of 2", page.getErrorMessage());
                for (Context entry : page.getContexts()) {
                    must(seen.add(entry.getId()), "on one page only", entry.getId());
                }
                token = page.getNextToken();
            } while (token != null && !token.isEmpty());
            must(seen.containsAll(wanted), "every context", seen, wanted);
        } finally {
            for (String id : wanted) {
                remove(id);
            }
        }
    }

    private interface Call {
        FileUrlResult run() throws Exception;
    }

    private static String words(Call call) {
        try {
            FileUrlResult result = call.run();
            must(!result.isSuccess(), "a refusal", result.getUrl());
            return String.valueOf(result.getErrorMessage());
        } catch (Exception error) {
            return String.valueOf(error.getMessage());
        }
    }

    private static void refused(Bench bench) throws Exception {
        ContextService contexts = bench.bay.getContext();
        Context made = make(bench, "refused");
        try {
            for (String path : List.of("../outside", "/tmp/../../outside")) {
                String told = words(() -> contexts.getFileUploadUrl(made.getId(), path));
                must(told.contains(".."), "names what is wrong", told);
            }
            String told = words(() -> contexts.getFileDownloadUrl(made.getId(), "/tmp/none"));
            must(told.contains("/tmp/none"), "names the file", told);
        } finally {
            remove(made.getId());
        }
        String told = words(() -> contexts.getFileUploadUrl(made.getId(), "/tmp/x"));
        must(told.contains(made.getId()), "names the context", told);
    }
}
