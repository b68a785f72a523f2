package org.apache.kafka.controller;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.metadata.PartitionChangeRecord;
import org.apache.kafka.metadata.LeaderRecoveryState;
import org.apache.kafka.metadata.PartitionRegistration;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.common.MetadataVersion;

/**
 * Prints random changes of partitions and the record that Kafka makes of each, a line a change.
 * To be compiled and run with Kafka's own jars on the class path; takes a seed and a count.
 */
public class PartitionChanges {
    static final int BROKERS = 5;
    static final short[] LEVELS = {7, 11, 12, 16, 17, 22, 23, 26, 30};
    final Random random;

    PartitionChanges(long seed) {
        random = new Random(seed);
    }

    public static void main(String[] args) {
        PartitionChanges changes = new PartitionChanges(Long.parseLong(args[0]));
        int left = Integer.parseInt(args[1]);
        while (left > 0) {
            String line = changes.next();
            if (line != null) {
                System.out.println(line);
                left--;
            }
        }
    }

    List<Integer> some(List<Integer> of, int least) {
        List<Integer> all = new ArrayList<>(of);
        Collections.shuffle(all, random);
        int most = all.size();
        return new ArrayList<>(all.subList(0, Math.min(most, least + random.nextInt(most - Math.min(most, least) + 1))));
    }

    static int[] ints(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    static String show(List<?> list) {
        return list == null ? "-" : "[" + list.stream().map(String::valueOf).collect(Collectors.joining(",")) + "]";
    }

    static Uuid dir(int id) {
        return new Uuid(0L, 0x1000L + id);
    }

    String next() {
        short level = LEVELS[random.nextInt(LEVELS.length)];
        boolean hasElr = level >= 23 && random.nextInt(4) != 0;
        List<Integer> brokers = new ArrayList<>();
        for (int id = 1; id <= BROKERS; id++) brokers.add(id);
        List<Integer> replicas = some(brokers, 1 + random.nextInt(3));
        List<Integer> isr = some(replicas, hasElr ? 0 : 1);
        int minIsr = Math.min(replicas.size(), 1 + random.nextInt(3));
        List<Integer> adding = new ArrayList<>();
        List<Integer> removing = new ArrayList<>();
        if (replicas.size() > 2 && random.nextInt(3) == 0) {
            for (int id : replicas) {
                int kind = random.nextInt(4);
                if (kind == 0) adding.add(id);
                if (kind == 1) removing.add(id);
            }
            if (adding.size() + removing.size() == replicas.size()) return null;
            Collections.sort(adding);
            Collections.sort(removing);
        }
        List<Integer> elr = new ArrayList<>();
        List<Integer> lastKnown = new ArrayList<>();
        int leader = isr.isEmpty() || random.nextInt(4) == 0 ? -1 : isr.get(random.nextInt(isr.size()));
        if (hasElr && isr.size() < minIsr) {
            List<Integer> others = new ArrayList<>(replicas);
            others.removeAll(isr);
            elr = new ArrayList<>(new TreeSet<>(some(others, 0)));
            if (leader == -1) lastKnown.add(replicas.get(random.nextInt(replicas.size())));
        }
        LeaderRecoveryState recovery = random.nextInt(4) == 0 ? LeaderRecoveryState.RECOVERING : LeaderRecoveryState.RECOVERED;
        Uuid[] dirs = new Uuid[replicas.size()];
        for (int i = 0; i < dirs.length; i++) dirs[i] = level >= 17 ? dir(replicas.get(i)) : new Uuid(0L, 0L);
        PartitionRegistration partition = new PartitionRegistration.Builder()
            .setReplicas(ints(replicas)).setDirectories(dirs).setIsr(ints(isr))
            .setRemovingReplicas(ints(removing)).setAddingReplicas(ints(adding))
            .setElr(ints(elr)).setLastKnownElr(ints(lastKnown)).setLeader(leader)
            .setLeaderRecoveryState(recovery).setLeaderEpoch(3).setPartitionEpoch(5).build();
        TreeSet<Integer> active = new TreeSet<>(some(brokers, 0));
        TreeSet<Integer> acceptable = new TreeSet<>(active);
        int broker = replicas.get(random.nextInt(replicas.size()));
        int kind = random.nextInt(6);
        if (kind == 0 || kind == 1) acceptable.remove(broker);
        if (kind == 2) acceptable.add(broker);
        PartitionChangeBuilder builder = new PartitionChangeBuilder(partition, new Uuid(7L, 1L), 0,
            acceptable::contains, MetadataVersion.fromFeatureLevel(level), minIsr, hasElr);
        builder.setDefaultDirProvider(PartitionChanges::dir);
        PartitionChangeBuilder.Election election = random.nextInt(3) == 0
            ? PartitionChangeBuilder.Election.UNCLEAN : PartitionChangeBuilder.Election.ONLINE;
        List<Integer> targetReplicas = replicas;
        String change;
        switch (kind) {
            case 0:
            case 1: {
                List<Integer> left = new ArrayList<>(isr);
                left.remove(Integer.valueOf(broker));
                builder.setTargetIsr(left);
                if (kind == 1) builder.setUncleanShutdownReplicas(List.of(broker));
                change = (kind == 0 ? "leaves " : "lost ") + broker;
                break;
            }
            case 2:
                change = "returns " + broker;
                break;
            case 3: {
                if (leader == -1) return null;
                List<Integer> target = some(replicas, 1);
                if (!target.contains(leader)) target.add(leader);
                LeaderRecoveryState wanted = target.size() > 1 || recovery == LeaderRecoveryState.RECOVERED
                    ? LeaderRecoveryState.RECOVERED : LeaderRecoveryState.RECOVERING;
                builder.setTargetIsr(target).setTargetLeaderRecoveryState(wanted);
                change = "isr " + show(target) + " " + wanted.value();
                break;
            }
            case 4: {
                List<Integer> target = some(brokers, 1);
                TreeSet<Integer> gone = new TreeSet<>(replicas);
                gone.removeAll(target);
                TreeSet<Integer> come = new TreeSet<>(target);
                come.removeAll(replicas);
                targetReplicas = new ArrayList<>(target);
                targetReplicas.addAll(gone);
                builder.setTargetReplicas(targetReplicas)
                    .setTargetAdding(new ArrayList<>(come)).setTargetRemoving(new ArrayList<>(gone));
                // Kafka asks a partition for the log dir of a replica that it does not have yet.
                acceptable.retainAll(replicas);
                change = "assign " + show(targetReplicas) + " " + show(new ArrayList<>(come)) + " " + show(new ArrayList<>(gone));
                break;
            }
            default:
                if (random.nextBoolean()) election = PartitionChangeBuilder.Election.PREFERRED;
                change = "elect";
        }
        builder.setElection(election);
        Optional<ApiMessageAndVersion> built = builder.build();
        String made = "none";
        if (built.isPresent()) {
            PartitionChangeRecord record = (PartitionChangeRecord) built.get().message();
            List<Integer> after = record.replicas() == null ? replicas : record.replicas();
            List<Integer> elrAfter = record.eligibleLeaderReplicas() == null ? elr : record.eligibleLeaderReplicas();
            List<Integer> known = record.lastKnownElr();
            // Ours leaves these out on purpose: who is no replica is not eligible, nobody did not lead.
            if (!after.containsAll(elrAfter) || known != null && known.contains(-1)) return null;
            List<String> dirsAfter = record.directories() == null ? null : record.directories().stream()
                .map(id -> String.valueOf(id.getLeastSignificantBits() - 0x1000L)).collect(Collectors.toList());
            made = "v" + built.get().version() + " isr=" + show(record.isr()) + " leader=" + record.leader()
                + " replicas=" + show(record.replicas()) + " removing=" + show(record.removingReplicas())
                + " adding=" + show(record.addingReplicas()) + " recovery=" + record.leaderRecoveryState()
                + " dirs=" + show(dirsAfter) + " elr=" + show(record.eligibleLeaderReplicas())
                + " known=" + show(record.lastKnownElr());
        }
        return "level=" + level + " elr=" + hasElr + " min=" + minIsr + " active=" + show(new ArrayList<>(active))
            + " leader=" + leader + " recovery=" + recovery.value() + " replicas=" + show(replicas) + " isr=" + show(isr)
            + " adding=" + show(adding) + " removing=" + show(removing) + " eligible=" + show(elr) + " known=" + show(lastKnown)
            + " election=" + election + " | " + change + " | " + made;
    }
}
