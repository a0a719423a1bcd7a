// @kubernetes/client-node in a pod: asks who it is until its first token has long expired.

import * as k8s from '@kubernetes/client-node';

const life = Number(process.env.TOKEN_LIFE_SECONDS ?? 600);
const cache = Number(process.env.TOKEN_CACHE_SECONDS ?? 0);
if (cache) {
  // The client reads the file again when its last reading is a minute old by this clock.
  const now = Date.prototype.getTime;
  Date.prototype.getTime = function () {
    return (now.call(this) * 60) / cache;
  };
}
const config = new k8s.KubeConfig();
config.loadFromCluster();
const authentication = config.makeApiClient(k8s.AuthenticationV1Api);

const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const tokens = new Set();
const failures = [];
let requests = 0;
while (seconds() < 1.1 * life) {
  requests += 1;
  try {
    const review = await authentication.createSelfSubjectReview({ body: {} });
    tokens.add(review.status.userInfo.extra['authentication.kubernetes.io/credential-id'][0]);
  } catch (error) {
    failures.push(`${seconds().toFixed(1)} s: ${error}`.slice(0, 500));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
}
console.log(
  JSON.stringify({ client: '@kubernetes/client-node', requests, tokens: tokens.size, failures }),
);
process.exit(0);
