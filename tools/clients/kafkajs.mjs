// kafkajs against a broker: node kafkajs.mjs BOOTSTRAP. Prints a line for each check; exit status 1 when one fails.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import SnappyCodec from 'kafkajs-snappy'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { ZstdCodec } from 'zstd-codec'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs
const zstd = await new Promise((resolve) => ZstdCodec.run((module) => resolve(new module.Simple())))
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => compressFrame(encoder.buffer),
  decompress: (buffer) => decompressFrame(buffer),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
})

const kafka = new Kafka({ clientId: 'checks', brokers: [process.argv[2]], logLevel: logLevel.NOTHING })
const admin = kafka.admin()
const name = () => `js-${randomUUID().slice(0, 8)}`

async function topic(numPartitions = 1) {
  const made = name()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic: made, numPartitions, replicationFactor: 1 }] })
  return made
}

async function produce(topic, messages, compression) {
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages, compression, acks: -1 })
  await producer.disconnect()
}

async function consume(topic, count, groupId = randomUUID()) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000 })
  const found = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await within(40_000, `${count} records of ${topic}`, new Promise((resolve, reject) => {
    consumer.run({
      eachMessage: async ({ message }) => {
        found.push(message)
        if (found.length === count) resolve()
      },
    }).catch(reject)
  }))
  await consumer.disconnect()
  return found
}

function within(ms, what, promise) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const checks = {
  async 'every compression is produced and consumed'() {
    for (const codec of ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']) {
      const made = await topic()
      const values = Array.from({ length: 300 }, (_, n) => `${codec} ${n} `.repeat(20))
      await produce(made, values.map((value) => ({ value })), CompressionTypes[codec])
      const found = await consume(made, values.length)
      assert.deepEqual(found.map((message) => message.value.toString()), values, codec)
    }
  },

  async 'keys, headers and timestamps come back as sent'() {
    const made = await topic()
    await produce(made, [{ key: 'k', value: 'v', headers: { a: '1' }, timestamp: '1700000000123' }, { key: null, value: null }])
    const [first, second] = await consume(made, 2)
    assert.equal(first.key.toString(), 'k')
    assert.equal(first.headers.a.toString(), '1')
    assert.equal(first.timestamp, '1700000000123')
    assert.equal(second.value, null)
  },

  async 'two consumers share a group'() {
    const made = await topic(4)
    const groupId = randomUUID()
    const shares = new Map()
    const consumers = []
    let both
    const balanced = new Promise((resolve) => { both = resolve })
    for (const id of [0, 1]) {
      const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, rebalanceTimeout: 10000, heartbeatInterval: 500 })
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        shares.set(id, payload.memberAssignment[made] ?? [])
        if (shares.size === 2 && [...shares.values()].every((share) => share.length === 2)) both()
      })
      await consumer.connect()
      await consumer.subscribe({ topic: made, fromBeginning: true })
      await consumer.run({ eachMessage: async () => {} })
      consumers.push(consumer)
    }
    await within(40_000, 'a balanced group', balanced)
    assert.deepEqual([...shares.values()].flat().sort(), [0, 1, 2, 3])
    await Promise.all(consumers.map((consumer) => consumer.disconnect()))
  },

  async 'a group resumes where it committed'() {
    const made = await topic()
    const groupId = randomUUID()
    await produce(made, Array.from({ length: 5 }, (_, n) => ({ value: String(n) })))
    await consume(made, 5, groupId)
    await produce(made, [{ value: '5' }])
    const [next] = await consume(made, 1, groupId)
    assert.equal(next.value.toString(), '5')
  },

  async 'configurations are described and altered'() {
    const made = await topic()
    const resource = { type: ConfigResourceTypes.TOPIC, name: made }
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] })
    const described = await admin.describeConfigs({ includeSynonyms: true, resources: [resource] })
    const entry = described.resources[0].configEntries.find((e) => e.configName === 'retention.ms')
    assert.equal(entry.configValue, '3600000')
  },

  async 'topics, offsets and groups are listed'() {
    const made = await topic(3)
    await produce(made, [{ value: 'x', partition: 2 }])
    assert.ok((await admin.listTopics()).includes(made))
    const offsets = await admin.fetchTopicOffsets(made)
    assert.equal(offsets.find((o) => o.partition === 2).high, '1')
    await admin.deleteTopics({ topics: [made] })
    assert.ok(!(await admin.listTopics()).includes(made))
  },
}

await admin.connect()
let failed = 0
for (const [what, check] of Object.entries(checks)) {
  try {
    await check()
    console.log(`ok   ${what}`)
  } catch (error) {
    failed += 1
    console.log(`FAIL ${what}: ${error.message}`)
  }
}
await admin.disconnect()
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
