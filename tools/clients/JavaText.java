// Java's own library, and Kafka's, say what properties files, date-times, durations and lines of the console producer mean:
// java -cp CLASSPATH JavaText.java SEED. Prints one JSON object a line; javatext/tests/facts.rs and the console producer's tests hold our
// parsers against them.
import java.io.ByteArrayInputStream;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.tools.LineMessageReader;

public class JavaText {
    // The characters that mean something in a properties file, and a few that do not.
    static final String[] PIECES = {"a", "b", "=", ":", " ", "\t", "\f", "\\", "\\", "\n", "\r", "\r\n", "#", "!", "u0041", "\\u00e9", "\\ud55c", "\\u12",
        "\u00e9", "\u0000", "0", "\\\n", "\\\r\n  ", "key", "value with words", "C:\\dir", "\\t", "\\n", "\\f", "\\r", "\\=", "\\:", "\\ "};
    static final String[] ZONES = {"", "Z", "+05", "-07", "+05:30", "-0000", "+14:00", "+18:00", "+5", "z", "UTC", " +01:00", "+01:", "-", "GMT"};
    static final Random random = new Random();

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c >= ' ' && c <= '~' && c != '"' && c != '\\') out.append(c);
            else out.append(String.format("\\u%04x", (int) c));
        }
        return out.append('"').toString();
    }

    static void properties(String text) throws Exception {
        byte[] bytes = text.getBytes("ISO-8859-1");
        StringBuilder hex = new StringBuilder();
        for (byte b : bytes) hex.append(String.format("%02x", b));
        String said;
        try {
            Properties found = new Properties();
            found.load(new ByteArrayInputStream(bytes));
            StringJoiner pairs = new StringJoiner(",", "{", "}");
            for (Map.Entry<Object, Object> pair : new TreeMap<>(found).entrySet())
                pairs.add(quoted((String) pair.getKey()) + ":" + quoted((String) pair.getValue()));
            said = pairs.toString();
        } catch (IllegalArgumentException malformed) {
            said = "null";
        }
        System.out.println("{\"kind\":\"properties\",\"hex\":\"" + hex + "\",\"is\":" + said + "}");
    }

    static void datetime(String text) {
        String said;
        try { said = Long.toString(Utils.getDateTime(text)); } catch (Exception refused) { said = "null"; }
        System.out.println("{\"kind\":\"datetime\",\"text\":" + quoted(text) + ",\"is\":" + said + "}");
    }

    static void duration(String text) {
        String said;
        try { said = Long.toString(Duration.parse(text).toMillis()); } catch (RuntimeException refused) { said = "null"; }
        System.out.println("{\"kind\":\"duration\",\"text\":" + quoted(text) + ",\"is\":" + said + "}");
    }

    static String hex(byte[] bytes) {
        if (bytes == null) return "null";
        StringBuilder hex = new StringBuilder("\"");
        for (byte b : bytes) hex.append(String.format("%02x", b));
        return hex.append('"').toString();
    }

    // A whole standard input: the records up to the first line that is refused, and the words that refuse it.
    static void lines(Map<String, String> settings, byte[] input) {
        Map<String, String> all = new HashMap<>(settings);
        all.put("topic", "t");
        StringJoiner records = new StringJoiner(",", "[", "]");
        String error = "null";
        try {
            LineMessageReader reader = new LineMessageReader();
            reader.configure(all);
            Iterator<ProducerRecord<byte[], byte[]>> found = reader.readRecords(new ByteArrayInputStream(input));
            while (found.hasNext()) {
                ProducerRecord<byte[], byte[]> record = found.next();
                StringJoiner headers = new StringJoiner(",", "[", "]");
                for (Header header : record.headers()) headers.add("[" + quoted(header.key()) + "," + hex(header.value()) + "]");
                records.add("[" + hex(record.key()) + "," + hex(record.value()) + "," + headers + "]");
            }
        } catch (KafkaException refused) {
            error = quoted(refused.getMessage());
        }
        StringJoiner given = new StringJoiner(",", "{", "}");
        settings.forEach((key, value) -> given.add(quoted(key) + ":" + quoted(value)));
        System.out.println("{\"kind\":\"lines\",\"properties\":" + given + ",\"hex\":" + hex(input) + ",\"records\":" + records + ",\"error\":"
            + error + "}");
    }

    static void lines() throws Exception {
        Map<String, String> settings = new TreeMap<>();
        if (random.nextBoolean()) settings.put("parse.key", one("true", "TRUE", "false"));
        if (random.nextBoolean()) settings.put("parse.headers", one("true", "true", "no"));
        if (random.nextBoolean()) settings.put("key.separator", one(":", "\t", "ab", ";", "NULL"));
        if (random.nextInt(4) == 0) settings.put("headers.delimiter", one(";", "|", "ab"));
        if (random.nextInt(4) == 0) settings.put("headers.separator", one(";", "ab", ":", "\\|", "[;,]"));
        if (random.nextInt(4) == 0) settings.put("headers.key.separator", one("=", "ab", ","));
        if (random.nextInt(3) == 0) settings.put("ignore.error", "true");
        if (random.nextInt(3) == 0) settings.put("null.marker", one("NULL", "a", "", "\u00e9"));
        java.io.ByteArrayOutputStream input = new java.io.ByteArrayOutputStream();
        for (int left = random.nextInt(24); left > 0; left--) {
            String piece = one("a", "b", "ab", "NULL", "\t", ":", ";", ",", "|", "=", "\n", "\n", "\r", "\r\n", "h:v", "h1:v1,h2:v2\t", "k\tv", "\u00e9", "\ud55c", " ", "BAD");
            input.write(piece.equals("BAD") ? new byte[] {(byte) 0xc3} : piece.getBytes("UTF-8"));
        }
        lines(settings, input.toByteArray());
    }

    static String one(String... choices) { return choices[random.nextInt(choices.length)]; }

    static String number(int most) {
        int value = random.nextInt(most);
        return one(Integer.toString(value), String.format("%02d", value), String.format("%03d", value));
    }

    public static void main(String[] arguments) throws Exception {
        random.setSeed(Long.parseLong(arguments[0]));
        for (int n = 0; n < 400; n++) {
            StringBuilder text = new StringBuilder();
            for (int left = 1 + random.nextInt(14); left > 0; left--) text.append(one(PIECES));
            properties(text.toString());
        }
        for (int n = 0; n < 150; n++)
            datetime(String.format("%d-%s-%sT%s:%s:%s%s%s", 1600 + random.nextInt(1000), number(14), number(32), number(26), number(62), number(62),
                one("." + number(1100), "." + number(1000), "." + number(1000), ""), one(ZONES)));
        for (String text : new String[] {"2020-09-13T05:28:40.001-07", "2020-09-13T05:28:40.001+05", "2020-09-13T05:28:40.001Z", "2020-09-13T05:28:40.001",
            "2020-09-13T05:28:40", "2020-09-13T05:28", "2020-09-13", "2020-09-13 05:28:40.001", "yesterday", "", "T", "2020-09-13t05:28:40.001Z",
            " 2020-09-13T05:28:40.001", "2020-09-13T05:28:40.1", "2020-02-29T00:00:00.000", "2021-02-29T00:00:00.000", "2020-09-13T24:00:00.000"})
            datetime(text);
        for (int n = 0; n < 150; n++) {
            StringBuilder text = new StringBuilder(one("", "", "", "-", "+")).append(one("P", "P", "P", "p", ""));
            if (random.nextBoolean()) text.append(one("", "-", "+")).append(random.nextInt(400)).append(one("D", "D", "d", "W"));
            if (random.nextBoolean()) {
                text.append("T");
                for (String unit : new String[] {"H", "M", "S"})
                    if (random.nextBoolean())
                        text.append(one("", "", "-")).append(random.nextInt(100)).append(one("", "", "", ".5", ",25", ".", ".1234567890")).append(unit);
            }
            duration(text.toString());
        }
        for (int n = 0; n < 400; n++) lines();
    }
}
