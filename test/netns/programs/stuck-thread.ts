/** A thread that runs in circles once it is ready, and is told to end: says `ended` and after how many ms, or nothing at all. */
import { isMainThread, parentPort } from 'node:worker_threads';
import { sayReady, startThread } from '../../../appliance/host/threads.ts';

if (isMainThread) {
  let heard = 0;
  const thread = await startThread(
    new URL(import.meta.url),
    undefined,
    () => heard++,
    reason => console.log(`gone ${reason}`),
  );
  const since = performance.now();
  await thread.stop();
  console.log(`ended ${Math.round(performance.now() - since)} ${heard}`);
} else {
  sayReady(parentPort!);
  for (;;);
}
