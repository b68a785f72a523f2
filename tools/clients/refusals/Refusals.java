// Apache Kafka's Java client asks for what the broker does not serve: java -cp CLASSPATH Refusals.java BOOTSTRAP. Each must fail by itself,
// and soon.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

public class Refusals {
    static final int SECONDS = 20;
    static String bootstrap;
    static int failed;

    interface Asking { void ask() throws Exception; }

    static Map<String, Object> config(String... more) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", SECONDS * 1000,
            "request.timeout.ms", SECONDS * 1000));
        for (int at = 0; at < more.length; at += 2) config.put(more[at], more[at + 1]);
        return config;
    }

    static void feature(String name, Asking asking) throws Exception {
        ExecutorService thread = Executors.newSingleThreadExecutor(run -> {
            Thread made = new Thread(run);
            made.setDaemon(true);
            return made;
        });
        long begun = System.nanoTime();
        String text;
        boolean refused = false;
        try {
            thread.submit(() -> { asking.ask(); return null; }).get(SECONDS + 5, TimeUnit.SECONDS);
            text = "nothing was refused";
        } catch (TimeoutException late) {
            text = "hangs";
        } catch (ExecutionException error) {
            Throwable cause = error.getCause();
            while (cause instanceof ExecutionException || cause.getClass() == KafkaException.class && cause.getCause() != null)
                cause = cause.getCause();
            refused = !(cause instanceof org.apache.kafka.common.errors.TimeoutException);
            text = cause.getClass().getSimpleName() + ": " + cause.getMessage();
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        boolean good = refused && seconds < SECONDS / 2;
        if (!good) failed++;
        System.out.printf("%s java: %s (%.1f s): %s%n", good ? "ok  " : "FAIL", name, seconds, text.replaceAll("\\s+", " "));
    }

    static void consume(String... more) {
        Map<String, Object> config = config(more);
        config.put("group.id", "g-" + UUID.randomUUID());
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("none"));
            for (int n = 0; n < SECONDS; n++) consumer.poll(Duration.ofSeconds(1));
        }
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        TopicPartition partition = new TopicPartition("none", 0);
        try (Admin admin = Admin.create(config())) {
            feature("transactions", () -> {
                Map<String, Object> config = config("transactional.id", "pay");
                config.put("max.block.ms", SECONDS * 1000);
                try (KafkaProducer<byte[], byte[]> producer =
                        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
                    producer.initTransactions();
                }
            });
            feature("consumer groups of the new protocol", () -> consume("group.protocol", "consumer"));
            feature("share groups", () -> {
                Map<String, Object> config = config("group.id", "s");
                try (KafkaShareConsumer<byte[], byte[]> consumer =
                        new KafkaShareConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                    consumer.subscribe(List.of("none"));
                    for (int n = 0; n < SECONDS; n++) consumer.poll(Duration.ofSeconds(1));
                }
            });
            feature("ACLs: describe", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
            feature("ACLs: create", () -> admin.createAcls(List.of(new AclBinding(
                new ResourcePattern(ResourceType.TOPIC, "t", PatternType.LITERAL),
                new AccessControlEntry("User:ann", "*", AclOperation.READ, AclPermissionType.ALLOW)))).all().get());
            feature("SASL on a plaintext listener", () -> consume("security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "PLAIN",
                "sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"ann\" password=\"secret\";"));
            feature("TLS on a plaintext listener", () -> consume("security.protocol", "SSL"));
            feature("three replicas", () -> admin.createTopics(List.of(new NewTopic("refusals-" + UUID.randomUUID(), 1, (short) 3))).all().get());
            feature("quotas: describe", () -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get());
            feature("quotas: alter", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(
                new ClientQuotaEntity(Map.of("user", "ann")), List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1.0))))).all().get());
            feature("reassignments: list", () -> admin.listPartitionReassignments().reassignments().get());
            feature("reassignments: alter", () -> admin.alterPartitionReassignments(
                Map.of(partition, Optional.of(new NewPartitionReassignment(List.of(1))))).all().get());
            feature("leader election", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(partition)).all().get());
            feature("delegation tokens", () -> admin.createDelegationToken().delegationToken().get());
            feature("SCRAM credentials", () -> admin.describeUserScramCredentials().all().get());
            feature("transactions: list", () -> admin.listTransactions().all().get());
            feature("transactions: describe", () -> admin.describeTransactions(List.of("pay")).all().get());
            feature("features: update", () -> admin.updateFeatures(
                Map.of("group.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get());
            feature("quorum: describe", () -> admin.describeMetadataQuorum().quorumInfo().get());
            feature("brokers: unregister", () -> admin.unregisterBroker(2).all().get());
            feature("share groups: describe", () -> admin.describeShareGroups(List.of("s")).all().get());
            feature("streams groups: describe", () -> admin.describeStreamsGroups(List.of("s")).all().get());
            feature("client metrics", () -> admin.incrementalAlterConfigs(Map.of(
                new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "m"),
                List.of(new AlterConfigOp(new ConfigEntry("interval.ms", "1000"), AlterConfigOp.OpType.SET)))).all().get());
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
