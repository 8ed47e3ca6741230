import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * A small Flink cluster in one JVM, told by a pipe what to do: a line {"sql": ..., "wait": ...} is answered by a line
 * {"rows": ...} or {"error": ...}. A statement that starts a job is answered when the job ends, or with
 * "wait": false when it is submitted; {"wait": true} alone waits for the last one. Arguments: batch or
 * streaming, then NAME=VALUE of Flink's configuration.
 */
public class Shell {
    private static final ObjectMapper JSON = new ObjectMapper();
    private final TableEnvironment tables;
    private TableResult last;

    /** One cluster for all jobs: another for each, which is Flink's way, costs a second each time. */
    private static MiniCluster startCluster(Configuration settings) throws Exception {
        MiniCluster cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
                .setConfiguration(settings).setNumSlotsPerTaskManager(2).build());
        cluster.start();
        return cluster;
    }

    private Shell(String[] arguments) throws Exception {
        Configuration settings = new Configuration();
        for (int i = 1; i < arguments.length; i++) {
            String[] parts = arguments[i].split("=", 2);
            settings.setString(parts[0], parts[1]);
        }
        URI cluster = startCluster(settings).getRestAddress().get();
        settings.setString("execution.target", "remote");
        settings.setString("rest.address", cluster.getHost());
        settings.setString("rest.port", String.valueOf(cluster.getPort()));
        EnvironmentSettings.Builder builder = EnvironmentSettings.newInstance().withConfiguration(settings);
        builder = arguments[0].equals("batch") ? builder.inBatchMode() : builder.inStreamingMode();
        tables = TableEnvironment.create(builder.build());
        tables.getConfig().setLocalTimeZone(ZoneOffset.UTC);
    }

    private void set(String statement) {
        String[] quoted = statement.split("'");
        tables.getConfig().set(quoted[1], quoted[3]);
    }

    private ArrayNode run(JsonNode request) throws Exception {
        boolean wait = request.path("wait").asBoolean(true);
        ArrayNode rows = JSON.createArrayNode();
        if (!request.has("sql")) {
            last.await();
            return rows;
        }
        String statement = request.get("sql").asText();
        if (statement.startsWith("SET ")) {
            set(statement);
            return rows;
        }
        TableResult result = tables.executeSql(statement);
        if (!wait) {
            last = result;
            return rows;
        }
        if (result.getJobClient().isPresent() && !statement.startsWith("SELECT ")) {
            result.await(); // what writes has its row as soon as it is submitted
            return rows;
        }
        try (CloseableIterator<Row> found = result.collect()) {
            while (found.hasNext()) {
                rows.add(values(found.next()));
            }
        }
        return rows;
    }

    private static ArrayNode values(Row row) {
        ArrayNode values = JSON.createArrayNode();
        for (int i = 0; i < row.getArity(); i++) {
            Object value = row.getField(i);
            boolean plain = value == null || value instanceof Boolean || value instanceof Integer
                    || value instanceof Long || value instanceof Double;
            values.add(JSON.valueToTree(plain ? value : value.toString()));
        }
        return values;
    }

    private static String messages(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable e = error; e != null; e = e.getCause()) {
            text.append(e).append('\n');
        }
        return text.toString();
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream replies = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Shell shell = new Shell(arguments);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            ObjectNode reply = JSON.createObjectNode();
            try {
                reply.set("rows", shell.run(JSON.readTree(line)));
            } catch (Throwable e) {
                reply.put("error", messages(e));
                e.printStackTrace();
            }
            replies.println(reply);
        }
        System.exit(0); // jobs that still run end here
    }
}
