// Xen Orchestra's connector against a host: connects, fills its cache, follows events, takes a VM
// through its life, and meets errors.  Arguments: URL, user, password, transport.  Prints TAP.
import assert from 'node:assert'
import { createClient } from 'xen-api'

const [url, user, password, transport] = process.argv.slice(2)
const xapi = createClient({
  url, auth: { user, password }, allowUnauthorized: true, transport, watchEvents: true,
})
const tests = []
const test = (name, run) => tests.push([name, run])
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

const until = async (condition, what) => {
  for (let i = 0; i < 200; ++i) {
    const value = condition()
    if (value) return value
    await sleep(50)
  }
  throw new Error(`no ${what} within 10 s`)
}

const guest = {
  name_label: 'xo-guest', name_description: '', user_version: 1, is_a_template: false,
  affinity: 'OpaqueRef:NULL', memory_static_min: 0, memory_static_max: 134217728,
  memory_dynamic_min: 134217728, memory_dynamic_max: 134217728, VCPUs_params: {}, VCPUs_max: 1,
  VCPUs_at_startup: 1, actions_after_shutdown: 'destroy', actions_after_reboot: 'restart',
  actions_after_crash: 'restart', PV_bootloader: '', PV_kernel: 'vmlinux', PV_ramdisk: '',
  PV_args: '', PV_bootloader_args: '', PV_legacy_args: '', HVM_boot_policy: '', HVM_boot_params: {},
  platform: {}, PCI_bus: '', other_config: {}, recommendations: '', domain_type: 'pvh',
}

test('connects and fills its cache', async () => {
  await xapi.connect()
  await xapi.objectsFetched
  assert(xapi.pool.$ref.startsWith('OpaqueRef:'))
  assert.strictEqual(xapi.pool.$master.$type, 'host')
  assert(Object.values(xapi.objects.all).some(o => o.$type === 'VM' && o.is_control_domain))
})

let ref
test('creates a VM, and hears of it', async () => {
  ref = await xapi.call('VM.create', guest)
  const vm = await until(() => xapi.getObject(ref, null), 'VM in the cache')
  assert.strictEqual(vm.name_label, 'xo-guest')
  assert.strictEqual(vm.power_state, 'Halted')
})

test('starts it by a task, and sees it run', async () => {
  await xapi.callAsync('VM.start', ref, false, false)
  await until(() => xapi.getObject(ref).power_state === 'Running', 'Running in the cache')
  assert.strictEqual(xapi.getObject(ref).$resident_on.$ref, xapi.pool.$master.$ref)
})

test('sets fields and passes a barrier', async () => {
  await xapi.setField('VM', ref, 'name_description', 'seen')
  await xapi.setFieldEntry('VM', ref, 'other_config', 'xo:test', 'value')
  await xapi.setFieldEntry('VM', ref, 'other_config', 'xo:test', 'again')
  const vm = await xapi.barrier(ref)
  assert.strictEqual(vm.name_description, 'seen')
  assert.strictEqual(vm.other_config['xo:test'], 'again')
})

test('meets errors with their codes', async () => {
  await assert.rejects(xapi.call('VM.start', ref, false, false), e => e.code === 'VM_BAD_POWER_STATE' && e.params[0] === ref)
  await assert.rejects(xapi.callAsync('VM.start', ref, false, false), e => e.code === 'VM_BAD_POWER_STATE')
  await assert.rejects(xapi.call('VM.get_record', 'OpaqueRef:none'), e => e.code === 'HANDLE_INVALID' && e.params[0] === 'VM')
  await assert.rejects(xapi.call('VM.no_such_thing', ref), e => e.code === 'MESSAGE_METHOD_UNKNOWN')
})

test('ends it hard, and starts it paused and on a host', async () => {
  await xapi.callAsync('VM.hard_reboot', ref)
  await until(() => xapi.getObject(ref).power_state === 'Running', 'Running again')
  await xapi.callAsync('VM.hard_shutdown', ref)
  await until(() => xapi.getObject(ref).power_state === 'Halted', 'Halted')
  await xapi.callAsync('VM.start', ref, true, false)
  await until(() => xapi.getObject(ref).power_state === 'Paused', 'Paused from the start')
  await xapi.callAsync('VM.hard_shutdown', ref)
  await xapi.callAsync('VM.start_on', ref, xapi.pool.$master.$ref, false, false)
  await until(() => xapi.getObject(ref).power_state === 'Running', 'Running on a host')
})

test('pauses, unpauses, reboots, shuts down, destroys', async () => {
  await xapi.call('VM.pause', ref)
  await until(() => xapi.getObject(ref).power_state === 'Paused', 'Paused')
  await xapi.call('VM.unpause', ref)
  await xapi.callAsync('VM.clean_reboot', ref)
  await xapi.callAsync('VM.clean_shutdown', ref)
  await until(() => xapi.getObject(ref).power_state === 'Halted', 'Halted')
  await xapi.call('VM.destroy', ref)
  await until(() => xapi.getObject(ref, null) === null, 'removal from the cache')
})

test('disconnects', async () => {
  await xapi.disconnect()
})

process.on('unhandledRejection', error => { console.log(`# unhandled: ${error}`); process.exit(1) })
let failed = 0
for (const [i, [name, run]] of tests.entries()) {
  try {
    await run()
    console.log(`ok ${i + 1} - ${transport}: ${name}`)
  } catch (error) {
    ++failed
    console.log(`# ${error.stack.replaceAll('\n', '\n# ')}`)
    console.log(`not ok ${i + 1} - ${transport}: ${name}`)
    if (i === 0) break
  }
}
process.exit(failed ? 1 : 0)
