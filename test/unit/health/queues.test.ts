import { describe, expect, it } from 'vitest';
import { DueHeap } from '../../../appliance/health/due-heap.ts';
import { FairQueue } from '../../../appliance/health/fair-queue.ts';
import { seededRandom } from '../../support/virtual.ts';

describe('the heap of what is due', () => {
  it('gives its members in order of time, after any mixture of sets, moves and removals', () => {
    const random = seededRandom(3);
    const heap = new DueHeap<{ due: number; place: number; id: number }>();
    const members = Array.from({ length: 500 }, (_, id) => ({ due: 0, place: -1, id }));
    const model = new Map<number, number>();
    for (let step = 0; step < 5_000; step++) {
      const member = members[Math.floor(random.uniform() * members.length)]!;
      if (random.uniform() < 0.3) {
        heap.remove(member);
        model.delete(member.id);
      } else {
        const due = Math.floor(random.uniform() * 1_000);
        heap.set(member, due);
        model.set(member.id, due);
      }
      expect(heap.size).toBe(model.size);
      if (step % 50 === 0)
        expect(heap.peek()?.due).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
    }
    const left: number[] = [];
    for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
      left.push(top.due);
      heap.remove(top);
    }
    expect(left).toEqual([...model.values()].sort((a, b) => a - b));
  });
});

describe('the fair queue', () => {
  it('takes lanes in turn, so that a long one delays a short one by one place', () => {
    const queue = new FairQueue<string>(100);
    for (const item of ['a1', 'a2', 'a3', 'a4']) queue.add('a', 10, item);
    queue.add('b', 10, 'b1');
    expect([queue.take(), queue.take(), queue.take()]).toEqual(['a1', 'b1', 'a2']);
  });

  it('holds to the limits of a lane and of all', () => {
    const queue = new FairQueue<string>(3);
    for (const item of ['a1', 'a2', 'a3']) queue.add('a', 2, item);
    for (const item of ['b1', 'b2']) queue.add('b', 2, item);
    expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual(['a1', 'b1', 'a2', undefined]);
    queue.finished('b');
    expect(queue.take()).toBe('b2');
    queue.finished('b');
    expect(queue.take()).toBeUndefined(); // a3's lane is full, though there is room in all
    queue.finished('a');
    expect(queue.take()).toBe('a3');
    expect(queue).toMatchObject({ waiting: 0, running: 2 });
  });

  it('forgets what was dropped', () => {
    const queue = new FairQueue<string>(3);
    queue.add('a', 2, 'a1');
    queue.drop('a', 'a1');
    queue.drop('a', 'a1');
    expect(queue.take()).toBeUndefined();
    expect(queue.waiting).toBe(0);
  });
});
