// The tour of @kubernetes/client-node: node tour.mjs KUBECONFIG NAMESPACE

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const ACCOUNT = 'build-robot';
const [kubeconfig, namespace] = process.argv.slice(2);
const { version } = JSON.parse(
  readFileSync(new URL('node_modules/@kubernetes/client-node/package.json', import.meta.url)),
);
const say = (fields) => console.log(JSON.stringify(fields));

async function step(name, take) {
  const started = performance.now();
  const result = await take();
  say({ step: name, seconds: Math.round(performance.now() - started) / 1000 });
  return result;
}

const pod = (name) => ({
  metadata: { name, labels: { tour: name } },
  spec: {
    serviceAccountName: ACCOUNT,
    terminationGracePeriodSeconds: 0,
    containers: [
      { name: 'main', image: 'busybox', command: ['sh', '-c', 'echo hello from $HOSTNAME; sleep 3600'] },
    ],
  },
});

say({ client: '@kubernetes/client-node', version });
const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);
const authentication = config.makeApiClient(k8s.AuthenticationV1Api);

await step('log in', async () => {
  const review = await authentication.createSelfSubjectReview({ body: {} });
  assert.ok(review.status.userInfo.groups.includes('system:masters'));
});

await step('list in pages', async () => {
  const wanted = [0, 1, 2, 3, 4].map((number) => `page-${number}`);
  for (const name of wanted) {
    await core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name, labels: { page: 'yes' } } },
    });
  }
  const names = [];
  let more;
  do {
    const page = await core.listNamespacedConfigMap({
      namespace,
      labelSelector: 'page=yes',
      limit: 2,
      _continue: more,
    });
    names.push(...page.items.map((one) => one.metadata.name));
    more = page.metadata._continue;
  } while (more);
  assert.deepEqual(names, wanted);
});

// Calls see(type, object) for each change until it returns true.
async function watchUntil(path, query, see) {
  const watch = new k8s.Watch(config);
  await new Promise((resolve, reject) => {
    let controller;
    let seen = false;
    watch
      .watch(
        path,
        query,
        (type, object) => {
          if (!seen && see(type, object)) {
            seen = true;
            controller?.abort();
            resolve();
          }
        },
        (error) => (seen ? resolve() : reject(error ?? new Error('the watch ended'))),
      )
      .then((made) => {
        controller = made;
        if (seen) made.abort();
      }, reject);
  });
}

await step('watch', async () => {
  const list = await core.listNamespacedConfigMap({ namespace });
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'seen' } } });
  await core.patchNamespacedConfigMap(
    { name: 'seen', namespace, body: { data: { a: '1' } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch),
  );
  await core.deleteNamespacedConfigMap({ name: 'seen', namespace });
  const seen = [];
  await watchUntil(
    `/api/v1/namespaces/${namespace}/configmaps`,
    { resourceVersion: list.metadata.resourceVersion },
    (type, object) => {
      seen.push([type, object.data]);
      return type === 'DELETED';
    },
  );
  assert.deepEqual(
    seen.map(([type]) => type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  );
  assert.deepEqual(seen[1][1], { a: '1' });
});

await step('create a pod', async () => {
  await core.createNamespacedPod({ namespace, body: pod('tour') });
  await watchUntil(
    `/api/v1/namespaces/${namespace}/pods`,
    { labelSelector: 'tour=tour' },
    (_, object) => object.status.phase === 'Running',
  );
  const running = await core.readNamespacedPod({ name: 'tour', namespace });
  assert.equal(running.status.phase, 'Running');
  assert.ok(running.status.startTime instanceof Date);
});

await step('read its log', async () => {
  const lines = new PassThrough();
  const controller = await new k8s.Log(config).log(namespace, 'tour', 'main', lines, {
    follow: true,
  });
  const [first] = await new Promise((resolve) => lines.once('data', (data) => resolve([data])));
  assert.equal(first.toString(), 'hello from tour\n');
  controller.abort();
});

await step('run a command in it', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let said = '';
  output.on('data', (data) => (said += data));
  const status = await new Promise((resolve, reject) => {
    new k8s.Exec(config)
      .exec(
        namespace, 'tour', 'main', ['sh', '-c', 'read word; echo $word; exit 3'],
        output, output, input, false, resolve,
      )
      .then(() => input.write('ping\n'), reject);
  });
  assert.equal(said, 'ping\n');
  assert.equal(status.reason, 'NonZeroExitCode');
  assert.equal(status.details.causes[0].message, '3');
});

const token = await step('request a token', async () => {
  const answer = await core.createNamespacedServiceAccountToken({
    name: ACCOUNT,
    namespace,
    body: { spec: { audiences: ['vault'], expirationSeconds: 600 } },
  });
  assert.equal(answer.status.token.split('.').length, 3);
  return answer.status.token;
});

await step('review a token', async () => {
  for (const [audience, good] of [['vault', true], ['other', false]]) {
    const review = await authentication.createTokenReview({
      body: { spec: { token, audiences: [audience] } },
    });
    assert.equal(review.status.authenticated ?? false, good);
  }
});

const robot = await step('log in with the token', async () => {
  const own = await core.createNamespacedServiceAccountToken({
    name: ACCOUNT,
    namespace,
    body: { spec: { audiences: [] } },
  });
  const other = new k8s.KubeConfig();
  other.loadFromClusterAndUser(config.getCurrentCluster(), {
    name: ACCOUNT,
    token: own.status.token,
  });
  const review = await other
    .makeApiClient(k8s.AuthenticationV1Api)
    .createSelfSubjectReview({ body: {} });
  assert.equal(review.status.userInfo.username, `system:serviceaccount:${namespace}:${ACCOUNT}`);
  return other.makeApiClient(k8s.CoreV1Api);
});

await step('be refused', async () => {
  const refusals = [
    [() => robot.listNamespacedPod({ namespace }), 403, 'Forbidden'],
    [() => core.readNamespacedPod({ name: 'none', namespace }), 404, 'NotFound'],
    [() => core.createNamespacedPod({ namespace, body: pod('tour') }), 409, 'AlreadyExists'],
    [() => core.createNamespacedPod({ namespace, body: pod('No') }), 422, 'Invalid'],
  ];
  for (const [call, code, reason] of refusals) {
    await assert.rejects(call, (error) => {
      assert.equal(error.code, code);
      assert.equal(JSON.parse(error.body).reason, reason);
      return true;
    });
  }
});
process.exit(0);
