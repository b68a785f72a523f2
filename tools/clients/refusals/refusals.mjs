// kafkajs asks for what the broker does not serve: node refusals.mjs BOOTSTRAP. Each must fail by itself, and soon.
import kafkajs from 'kafkajs'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, Kafka, ResourcePatternTypes, logLevel } = kafkajs

const SECONDS = 20
const brokers = [process.argv[2]]
const kafka = (more = {}) => new Kafka({ clientId: 'refusals', brokers, logLevel: logLevel.NOTHING, retry: { retries: 2 }, ...more })
const admin = kafka().admin()
await admin.connect()

const acl = {
  resourceType: AclResourceTypes.TOPIC, resourceName: 't', resourcePatternType: ResourcePatternTypes.LITERAL,
  principal: 'User:ann', host: '*', operation: AclOperationTypes.READ, permissionType: AclPermissionTypes.ALLOW,
}
const features = {
  async 'transactions'() {
    const producer = kafka().producer({ transactionalId: 'pay', idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    try { await producer.transaction() } finally { await producer.disconnect() }
  },
  async 'ACLs: describe'() { await admin.describeAcls(acl) },
  async 'ACLs: create'() { await admin.createAcls({ acl: [acl] }) },
  async 'SASL on a plaintext listener'() {
    await kafka({ sasl: { mechanism: 'plain', username: 'ann', password: 'secret' } }).admin().connect()
  },
  async 'TLS on a plaintext listener'() { await kafka({ ssl: true }).admin().connect() },
  async 'three replicas'() { await admin.createTopics({ topics: [{ topic: `refusals-${Date.now()}`, replicationFactor: 3 }] }) },
  async 'reassignments'() { await admin.listPartitionReassignments({}) },
}

let failed = 0
for (const [name, ask] of Object.entries(features)) {
  const begun = Date.now()
  const late = new Promise((resolve) => setTimeout(() => resolve('hangs'), SECONDS * 1000).unref())
  const outcome = await Promise.race([ask().then(() => 'nothing was refused', (error) => error), late])
  const seconds = (Date.now() - begun) / 1000
  const good = outcome instanceof Error && seconds < SECONDS / 2
  failed += good ? 0 : 1
  const text = outcome instanceof Error ? `${outcome.name}: ${outcome.message}` : outcome
  console.log(`${good ? 'ok  ' : 'FAIL'} kafkajs: ${name} (${seconds.toFixed(1)} s): ${text.replace(/\s+/g, ' ')}`)
}
await admin.disconnect()
process.exit(failed ? 1 : 0)
