// Asks a democratic-csi controller over its socket for everything that a cluster asks of it, and prints a line of JSON a
// call. Run inside the driver's own folder, whose gRPC library and CSI definition it uses.
//
// Arguments: socket, kind (nfs or iscsi), and `delete` to remove everything again instead of making it.

const path = require("path");
const { createRequire } = require("module");

const [socket, kind, phase] = process.argv.slice(2);
const driver = createRequire(path.join(process.cwd(), "package.json"));
const grpc = driver("@grpc/grpc-js");
const loader = driver("@grpc/proto-loader");

const shape = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const definition = loader.loadSync(path.join(process.cwd(), "csi_proto/csi-v1.5.0.proto"), shape);
const { Controller, Identity } = grpc.loadPackageDefinition(definition).csi.v1;
const open = (Service) => new Service(`unix://${socket}`, grpc.credentials.createInsecure());
const [controller, identity] = [open(Controller), open(Identity)];

const capability = {
  nfs: { mount: { fs_type: "nfs", mount_flags: [] }, access_mode: { mode: "MULTI_NODE_MULTI_WRITER" } },
  iscsi: { mount: { fs_type: "ext4", mount_flags: [] }, access_mode: { mode: "SINGLE_NODE_WRITER" } },
}[kind];
const id = (number) => `00000000-0000-4000-8000-00000000000${number}`;
const volume = (number) => `pvc-${id(number)}`;
const snapshot = (number) => `snapshot-${id(number)}`;
const GIB = 1024 ** 3;

async function step(name, method, request) {
  const answer = await new Promise((done) => {
    const deadline = Date.now() + 60000;
    (method === "Probe" ? identity : controller)[method](request, { deadline }, (error, value) => done({ error, value }));
  });
  const error = answer.error ? `${answer.error.code} ${answer.error.message}`.slice(0, 400) : null;
  console.log(JSON.stringify({ step: name, error, value: answer.value || null }));
  return answer.value;
}

const create = (name, number, source) =>
  step(name, "CreateVolume", {
    name: volume(number),
    capacity_range: { required_bytes: String(GIB) },
    volume_capabilities: [capability],
    parameters: { fsType: capability.mount.fs_type },
    ...(source ? { volume_content_source: source } : {}),
  });

async function make() {
  await step("probe", "Probe", {});
  await create("create", 1);
  await create("create again", 1);
  const taken = { source_volume_id: volume(1), name: snapshot(2), parameters: {} };
  const made = await step("snapshot", "CreateSnapshot", taken);
  await step("snapshot again", "CreateSnapshot", taken);
  const detached = { source_volume_id: volume(1), name: snapshot(5), parameters: { detachedSnapshots: "true" } };
  const copy = await step("detached snapshot", "CreateSnapshot", detached);
  const restored = (from) => ({ snapshot: { snapshot_id: from ? from.snapshot.snapshot_id : "none" } });
  await create("restore", 3, restored(made));
  await create("restore detached", 6, restored(copy));
  await create("clone", 4, { volume: { volume_id: volume(1) } });
  await step("expand", "ControllerExpandVolume", {
    volume_id: volume(1),
    capacity_range: { required_bytes: String(2 * GIB) },
    volume_capability: capability,
  });
  await step("list", "ListVolumes", {});
  await step("list snapshots", "ListSnapshots", {});
  await step("list snapshots of a volume", "ListSnapshots", { source_volume_id: volume(1) });
  await step("capacity", "GetCapacity", { volume_capabilities: [capability], parameters: {} });
}

async function remove() {
  for (const number of [3, 6, 4]) {
    await step(`delete ${number}`, "DeleteVolume", { volume_id: volume(number) });
  }
  await step("delete detached", "DeleteSnapshot", { snapshot_id: `${volume(1)}/${snapshot(5)}` });
  await step("delete snapshot", "DeleteSnapshot", { snapshot_id: `${volume(1)}@${snapshot(2)}` });
  await step("delete", "DeleteVolume", { volume_id: volume(1) });
  await step("delete again", "DeleteVolume", { volume_id: volume(1) });
}

(phase === "delete" ? remove() : make()).then(() => process.exit(0));
