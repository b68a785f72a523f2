import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/** Apache Kafka's Java clients while a partition is moved between log dirs: LogDirs.java BOOTSTRAP ONE TWO. */
public class LogDirs {
    static void expect(String what, Object expected, Object got) {
        if (!Objects.equals(expected, got)) {
            System.out.println("FAIL " + what + ": expected " + expected + ", got " + got);
            System.exit(1);
        }
        System.out.println("ok   " + what);
    }

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0], one = args[1], two = args[2], topic = "moved-" + System.nanoTime();
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        try (Admin admin = Admin.create(config)) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
            TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, 1);
            String from = place(admin, replica).getCurrentReplicaLogDir();
            String to = from.equals(one) ? two : one;

            ConcurrentLinkedQueue<String> failed = new ConcurrentLinkedQueue<>();
            AtomicInteger acknowledged = new AtomicInteger();
            int records = 200_000;
            Thread producing = new Thread(() -> {
                config.put("enable.idempotence", true);
                try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
                    for (int i = 0; i < records; i++) {
                        producer.send(new ProducerRecord<>(topic, 0, null, i + "-" + "x".repeat(100)), (sent, error) -> {
                            if (error != null) failed.add(error.toString()); else acknowledged.incrementAndGet();
                        });
                    }
                }
            });
            producing.start();
            int moves = 0;
            while (producing.isAlive() || moves < 4) {
                admin.alterReplicaLogDirs(Map.of(replica, to)).all().get();
                long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
                while (!to.equals(place(admin, replica).getCurrentReplicaLogDir())) {
                    if (System.nanoTime() > deadline) expect("moved in time", to, place(admin, replica));
                    Thread.sleep(10);
                }
                moves++;
                String swap = from; from = to; to = swap;
            }
            producing.join();
            expect("every record was acknowledged during " + moves + " moves", records, acknowledged.get());
            expect("none failed", List.of(), List.copyOf(failed));

            config.put("auto.offset.reset", "earliest");
            try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
                TopicPartition partition = new TopicPartition(topic, 0);
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                int next = 0;
                while (next < records) {
                    for (var record : consumer.poll(java.time.Duration.ofSeconds(5))) {
                        if (record.offset() != next || !record.value().startsWith(next + "-")) {
                            expect("the record at " + record.offset(), next, record.value());
                        }
                        next++;
                    }
                }
                expect("all are there once and in order", records, next);
            }

            Map<String, LogDirDescription> dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
            expect("the dirs", Set.of(one, two), dirs.keySet());
            ReplicaInfo info = dirs.get(from).replicaInfos().get(new TopicPartition(topic, 0));
            expect("its size is told, and it is no copy", List.of(true, false), List.of(info.size() > 20_000_000, info.isFuture()));
            expect("the volume's size is told", true, dirs.get(from).totalBytes().getAsLong() > dirs.get(from).usableBytes().getAsLong());
            refused(admin, replica, "/nowhere", LogDirNotFoundException.class);
            refused(admin, new TopicPartitionReplica("none", 0, 1), one, UnknownTopicOrPartitionException.class);
        }
    }

    static DescribeReplicaLogDirsResult.ReplicaLogDirInfo place(Admin admin, TopicPartitionReplica replica) throws Exception {
        return admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica);
    }

    static void refused(Admin admin, TopicPartitionReplica replica, String dir, Class<?> error) throws Exception {
        try {
            admin.alterReplicaLogDirs(Map.of(replica, dir)).all().get();
            expect(replica + " to " + dir, error, "no error");
        } catch (ExecutionException problem) {
            expect(replica + " to " + dir, error, problem.getCause().getClass());
        }
    }
}
