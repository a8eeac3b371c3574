import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A partner of Gridloop: reads whom an order was delivered to at one desk, answers for each of them, and
 * follows progress until those answers are counted.
 *
 * <p>Usage: java -cp 'JARS/*' Partner.java BROKERS DIRECTIVE DESK [PARTITION]. PARTITION is for trying what
 * happens to a record on the wrong one; a real partner leaves it out.
 */
public final class Partner {
  private static final String STATE = "executed";
  private static final Duration GIVE_UP = Duration.ofSeconds(90);
  private static final List<String> TOPICS = List.of("dispatch.deliveries.v1", "dispatch.progress.v1");

  private final ObjectMapper json = new ObjectMapper();
  private final Set<String> answered = new HashSet<>();
  private final KafkaProducer<byte[], byte[]> producer;
  private final String directive;
  private final String desk;
  private final Integer partition;
  private JsonNode progress = json.createObjectNode().put("v", -1);

  private Partner(KafkaProducer<byte[], byte[]> producer, String directive, String desk, Integer partition) {
    this.producer = producer;
    this.directive = directive;
    this.desk = desk;
    this.partition = partition;
  }

  public static void main(String[] arguments) throws Exception {
    Integer partition = arguments.length > 3 ? Integer.valueOf(arguments[3]) : null;
    Map<String, Object> toWrite = Map.of("bootstrap.servers", arguments[0], "acks", "all");
    Map<String, Object> toRead = Map.of("bootstrap.servers", arguments[0], "enable.auto.commit", false);
    var bytesOut = new ByteArraySerializer();
    var bytesIn = new ByteArrayDeserializer();
    try (var producer = new KafkaProducer<>(toWrite, bytesOut, bytesOut);
        var consumer = new KafkaConsumer<>(toRead, bytesIn, bytesIn)) {
      var partner = new Partner(producer, arguments[1], arguments[2], partition);
      boolean counted = partner.run(consumer);
      System.out.println(partner.report());
      System.exit(counted ? 0 : 1);
    }
  }

  // --- publish ---
  private ProducerRecord<byte[], byte[]> recordOf(JsonNode delivery, String addressee) throws Exception {
    String at = Instant.now().toString();
    var answer = json.createObjectNode();
    answer.put("directive", directive);
    answer.put("version", delivery.get("version").asInt());
    answer.put("epoch", delivery.get("epoch").asInt());
    answer.put("desk", delivery.get("desk").asText());
    answer.put("addressee", addressee);
    answer.put("state", STATE).put("at", at);
    // The same answer has the same id, however often it is sent: it counts once.
    String cause = String.join("|", directive, delivery.get("version").asText(),
        delivery.get("epoch").asText(), addressee, STATE);
    var record = new ProducerRecord<>(
        "dispatch.acks.v1", partition, bytes(answer.get("desk").asText()), json.writeValueAsBytes(answer));
    Map<String, String> headers = Map.of(
        "content-type", "application/json",
        "ce_specversion", "1.0",
        "ce_id", UUID.nameUUIDFromBytes(bytes(cause)).toString(),
        "ce_type", "gridloop.dispatch.answer.v1",
        "ce_source", "/partner/java",
        "ce_time", at,
        "ce_subject", answer.get("desk").asText(),
        "ce_actor", "partner-java");
    headers.forEach((name, value) -> record.headers().add(name, bytes(value)));
    return record;
  }

  private void publish(JsonNode delivery) throws Exception {
    for (JsonNode entry : delivery.get("entries")) {
      String addressee = entry.get("addressee").asText();
      if (answered.add(addressee)) {
        // A keyed record goes to murmur2 of its key: the default partitioner is the right one.
        producer.send(recordOf(delivery, addressee)).get();
      }
    }
  }
  // --- end publish ---

  // --- read ---
  private void take(ConsumerRecord<byte[], byte[]> record) throws Exception {
    Header type = record.headers().lastHeader("ce_type");
    if (type == null || record.value() == null) {
      return;
    }
    JsonNode body = json.readTree(record.value());
    if (!directive.equals(body.path("directive").asText()) || !desk.equals(body.path("desk").asText())) {
      return;
    }
    switch (new String(type.value(), StandardCharsets.UTF_8)) {
      case "gridloop.dispatch.delivery.v1" -> {
        if (!body.hasNonNull("sheet")) {
          publish(body); // with `sheet` it would ask somebody to decide for another post
        }
      }
      case "gridloop.dispatch.progress.v1" -> {
        if (body.get("v").asLong() > progress.get("v").asLong()) {
          progress = body; // absolute: the greater `v` replaces what was known
        }
      }
      default -> { } // a type that is not known here is skipped: there may be more of them tomorrow
    }
  }
  // --- end read ---

  private boolean run(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
    var places = TOPICS.stream()
        .flatMap(topic -> consumer.partitionsFor(topic).stream())
        .map(place -> new TopicPartition(place.topic(), place.partition()))
        .toList();
    consumer.assign(places);
    consumer.seekToBeginning(places);
    Instant end = Instant.now().plus(GIVE_UP);
    while (!isCounted() && Instant.now().isBefore(end)) {
      for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
        take(record);
      }
    }
    return isCounted();
  }

  private boolean isCounted() {
    return !answered.isEmpty() && progress.path("own").path(STATE).asInt() >= answered.size();
  }

  private String report() throws Exception {
    var report = json.createObjectNode();
    report.put("answered", answered.size());
    report.put("counted", progress.path("own").path(STATE).asInt());
    report.set("v", progress.get("v"));
    return json.writeValueAsString(report);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
