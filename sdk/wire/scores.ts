/**
 * Scores of many offers in little room (docs/protocol.md, Polls): 8 bytes each.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------------------------------------------------------+
 *     |                           tag (48 bits)                       |
 *     +-------------------------------+-------------------------------+
 *     |                               |            score              |
 *     +-------------------------------+-------------------------------+
 */
import { fail, type Kind } from './kinds.ts';
import { readU16, readU32 } from './tlv.ts';

/** An offer by its tag, and its score. */
export interface TaggedScore {
  /** 0…2^48−1. */
  readonly tag: number;
  /** 0…1000. */
  readonly score: number;
}

const SIZE = 8;
/** In one element: what fits into a datagram. */
export const MAX_SCORES = 128;
const U32 = 0x1_0000_0000;

/** 1…128 of them. */
export const taggedScores: Kind<readonly TaggedScore[]> = {
  depth: 0,
  read(bytes, start, end) {
    const length = end - start;
    if (length === 0 || length % SIZE !== 0 || length > MAX_SCORES * SIZE)
      fail(start, `its value must be 1…${MAX_SCORES} times ${SIZE} bytes long, not ${length}`);
    const scores: TaggedScore[] = [];
    for (let at = start; at < end; at += SIZE) {
      const score = readU16(bytes, at + 6);
      if (score > 1000) fail(at + 6, `${score} is not within 0…1000`);
      scores.push({ tag: readU16(bytes, at) * U32 + readU32(bytes, at + 2), score });
    }
    return scores;
  },
  write(writer, scores) {
    if (scores.length === 0 || scores.length > MAX_SCORES)
      fail(writer.at, `${scores.length} scores are not within 1…${MAX_SCORES}`);
    for (const { tag, score } of scores) {
      if (!Number.isInteger(tag) || tag < 0 || tag >= 2 ** 48) fail(writer.at, `${tag} is no tag`);
      if (!Number.isInteger(score) || score < 0 || score > 1000)
        fail(writer.at, `${score} is not within 0…1000`);
      writer.u16(Math.floor(tag / U32));
      writer.u32(tag % U32);
      writer.u16(score);
    }
  },
};
