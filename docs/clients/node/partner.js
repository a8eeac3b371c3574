// A partner of Gridloop: reads whom an order was delivered to at one desk, answers for each of them, and
// follows progress until those answers are counted.
//
// Usage: node partner.js BROKERS DIRECTIVE DESK [PARTITION]
// PARTITION is for trying what happens to a record on the wrong one; a real partner leaves it out.
import { createHash, randomUUID } from "node:crypto";
import kafkajs from "kafkajs";

const { Kafka, Partitioners, logLevel } = kafkajs;
const [brokers, directive, desk, partition] = process.argv.slice(2);
const STATE = "executed";
const GIVE_UP_MS = 90_000;

const kafka = new Kafka({ clientId: "partner", brokers: brokers.split(","), logLevel: logLevel.ERROR });
const answered = new Set();
let progress = { v: -1 };

// --- publish ---
const producer = kafka.producer({
  createPartitioner: Partitioners.DefaultPartitioner, // murmur2 of the key, as in Kafka's Java client
  idempotent: true,
});

function recordOf(delivery, addressee) {
  const answer = {
    directive,
    version: delivery.version,
    epoch: delivery.epoch,
    desk: delivery.desk,
    addressee,
    state: STATE,
    at: new Date().toISOString(),
  };
  // The same answer has the same id, however often it is sent: it counts once.
  const cause = [directive, delivery.version, delivery.epoch, addressee, STATE].join("|");
  const id = createHash("sha256").update(cause).digest("hex").slice(0, 32);
  return {
    key: answer.desk,
    value: JSON.stringify(answer),
    headers: {
      "content-type": "application/json",
      ce_specversion: "1.0",
      ce_id: id,
      ce_type: "gridloop.dispatch.answer.v1",
      ce_source: "/partner/node",
      ce_time: answer.at,
      ce_subject: answer.desk,
      ce_actor: "partner-node",
    },
    ...(partition === undefined ? {} : { partition: Number(partition) }),
  };
}

async function publish(delivery) {
  const open = delivery.entries.map((entry) => entry.addressee).filter((each) => !answered.has(each));
  if (open.length === 0) return;
  const messages = open.map((addressee) => recordOf(delivery, addressee));
  await producer.send({ topic: "dispatch.acks.v1", acks: -1, messages });
  for (const addressee of open) answered.add(addressee);
}
// --- end publish ---

// --- read ---
async function take({ message }) {
  const type = message.headers.ce_type?.toString();
  const body = JSON.parse(message.value?.toString() || "{}");
  if (body.directive !== directive || body.desk !== desk) return;
  if (type === "gridloop.dispatch.delivery.v1" && !body.sheet) {
    await publish(body); // with `sheet` it would ask somebody to decide for another post
  } else if (type === "gridloop.dispatch.progress.v1" && body.v > progress.v) {
    progress = body; // absolute: the greater `v` replaces what was known
  } // a type that is not known here is skipped: there may be more of them tomorrow
}
// --- end read ---

const isCounted = () => answered.size > 0 && progress.own?.[STATE] >= answered.size;

const consumer = kafka.consumer({ groupId: `partner-${randomUUID()}` });
await Promise.all([producer.connect(), consumer.connect()]);
await consumer.subscribe({
  topics: ["dispatch.deliveries.v1", "dispatch.progress.v1"],
  fromBeginning: true,
});
const began = Date.now();
await consumer.run({ eachMessage: take });
while (!isCounted() && Date.now() - began < GIVE_UP_MS) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
console.log(JSON.stringify({ answered: answered.size, counted: progress.own?.[STATE] ?? 0, v: progress.v }));
await Promise.all([consumer.disconnect(), producer.disconnect()]);
process.exit(isCounted() ? 0 : 1);
