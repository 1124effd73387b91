// Xen Orchestra's connector against a host: connects, fills its cache, follows events, takes a VM
// through its life, makes one of a template, takes a snapshot of it and goes back, and meets errors.
// Arguments: URL, user, password, transport, a folder for disks.  Prints TAP.
import assert from 'node:assert'
import { createClient } from 'xen-api'

const [url, user, password, transport, folder] = process.argv.slice(2)
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

let sr, network
test('makes a repository and a network', async () => {
  await until(() => Object.values(xapi.objects.all).some(o => o.$type === 'SM' && o.type === 'file'), 'drivers')
  sr = await xapi.call('SR.create', xapi.pool.$master.$ref, { location: folder }, 0, 'disks', '', 'file', 'user', false, {})
  network = await xapi.call('network.create', { name_label: 'inside', name_description: '', other_config: {}, tags: [] })
})

test('makes a VM of a template', async () => {
  const template = Object.values(xapi.objects.all).find(o => o.$type === 'VM' && o.name_label === 'Debian 12')
  assert(template.is_a_template && template.is_default_template && template.recommendations.includes('vcpus-max'))
  assert.strictEqual(template.other_config.default_template, 'true')
  ref = await xapi.callAsync('VM.clone', template.$ref, 'xo-new')
  const vm = await xapi.barrier(ref)
  assert(vm.is_a_template && !vm.is_default_template && vm.other_config.default_template === undefined)
  // It makes the disks itself, as its user chose them.
  await xapi.call('VM.remove_from_other_config', ref, 'disks')
  await xapi.callAsync('VM.provision', ref)
  const [place] = await xapi.call('VM.get_allowed_VBD_devices', ref)
  const vdi = await xapi.callAsync('VDI.create', {
    name_label: 'system', name_description: '', SR: sr, virtual_size: 1 << 20, type: 'user', sharable: false,
    read_only: false, other_config: {}, tags: [], xenstore_data: {}, sm_config: {},
  })
  await xapi.call('VBD.create', {
    VM: ref, VDI: vdi, userdevice: place, bootable: true, mode: 'RW', type: 'Disk', empty: false, unpluggable: true,
    other_config: {}, qos_algorithm_type: '', qos_algorithm_params: {},
  })
  const [card] = await xapi.call('VM.get_allowed_VIF_devices', ref)
  await xapi.call('VIF.create', {
    VM: ref, network, device: card, MAC: '', MTU: await xapi.call('network.get_MTU', network), other_config: {},
    qos_algorithm_type: '', qos_algorithm_params: {},
  })
  const made = await xapi.barrier(ref)
  assert(!made.is_a_template && made.$VBDs.length === 1 && made.$VIFs.length === 1 && made.$VIFs[0].MAC)
  assert.strictEqual(made.$VBDs[0].$VDI.$ref, vdi)
})

test('takes a snapshot, and goes back from a VM that runs', async () => {
  const snapshot = await xapi.callAsync('VM.snapshot', ref, 'before')
  await xapi.call('VM.set_is_a_template', snapshot, false)
  const its = await xapi.barrier(snapshot)
  const vm = xapi.getObject(ref), vdi = vm.$VBDs[0].$VDI.$ref, mac = vm.$VIFs[0].MAC
  assert(its.is_a_snapshot && its.$snapshot_of.$ref === ref && vm.$snapshots[0].$ref === snapshot)
  assert.strictEqual(its.snapshot_info['power-state-at-snapshot'], 'Halted')
  assert(its.snapshot_time > '2020' && its.allowed_operations.includes('revert'))
  await xapi.setField('VM', ref, 'name_label', 'changed')
  await xapi.callAsync('VM.start', ref, false, false)
  await xapi.callAsync('VM.revert', snapshot)
  const now = await xapi.barrier(ref)
  assert.deepStrictEqual([now.name_label, now.power_state, now.$VBDs.map(vbd => vbd.$VDI.$ref), now.$VIFs.map(vif => vif.MAC)],
                         ['xo-new', 'Halted', [vdi], [mac]])
  assert.strictEqual(now.$parent.$ref, snapshot)
})

test('deletes VM, snapshot and disks', async () => {
  const vm = xapi.getObject(ref)
  for (const { $ref, $VBDs } of [...vm.$snapshots, vm]) {
    const disks = $VBDs.map(vbd => vbd.$VDI.$ref)
    await xapi.callAsync('VM.destroy', $ref)
    for (const disk of disks) await xapi.callAsync('VDI.destroy', disk)
  }
  await until(() => !Object.values(xapi.objects.all).some(o => o.$type === 'VDI' || o.name_label === 'xo-new'), 'an empty cache')
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
