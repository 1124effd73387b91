// Xen Orchestra's connector against a host: connects, fills its cache, follows events, takes a VM
// through its life, makes one of a template, takes a snapshot of it and goes back, and meets errors.
// Arguments: URL, user, password, transport, a folder for disks.  Prints TAP.
import assert from 'node:assert'
import { Readable } from 'node:stream'
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

test('backs a disk up by what has changed, and restores it', async () => {
  const content = Buffer.alloc(5 << 20, 'before ')
  const vdi = await xapi.call('VDI.create', {
    name_label: 'backed up', name_description: '', SR: xapi.getObject(ref).$VBDs[0].$VDI.$SR.$ref,
    virtual_size: content.length, type: 'user', sharable: false, read_only: false, other_config: {}, sm_config: {},
  })
  // For a stream it asks first.  Of one without a length it loses the end itself: it cuts the connection too early.
  const put = async (to, format, body) => {
    const task = await xapi.call('task.create', 'an upload', '')
    const stream = Object.assign(Readable.from([body]), { length: body.length })
    const done = xapi.putResource(stream, '/import_raw_vdi/', { query: { format, vdi: to }, task })
    await Promise.all([done, xapi.call('task.set_progress', task, 0.5).catch(() => {})])
    await xapi.call('task.destroy', task).catch(() => {})
  }
  const get = async query => {
    const task = await xapi.call('task.create', 'a download', '')
    const response = await xapi.getResource('/export_raw_vdi/', { query, task })
    const pieces = []
    for await (const piece of response.body ?? response) pieces.push(piece)
    // Its last byte is there before the disk is free, its task ends after that.
    await xapi.watchTask(task)
    await xapi.call('task.destroy', task)
    return Buffer.concat(pieces)
  }
  await put(vdi, 'raw', content)
  const base = await xapi.callAsync('VDI.snapshot', vdi)
  content.write('after')
  await put(vdi, 'raw', content)
  const whole = await get({ format: 'vhd', vdi: base })
  const difference = await get({ format: 'vhd', vdi, base })
  assert(difference.length < whole.length && difference.readUInt32BE(60) === 4)
  await put(vdi, 'raw', Buffer.alloc(content.length))
  await put(vdi, 'vhd', whole)
  await put(vdi, 'vhd', difference)
  assert((await get({ format: 'raw', vdi })).equals(content))
  for (const disk of [vdi, base]) await xapi.callAsync('VDI.destroy', disk)
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
