/** Why one stands where it stands in an answer: a code for programs and metrics, a sentence with the figures for people. Pure. */
import type { Millis } from '../host/ports.ts';
import type { Cost } from './cost.ts';

const SENTENCES = {
  share: 'gets a share by its cost',
  leader: 'leads, and nobody is clearly better',
  order: 'is the first of the order that serves',
  weight: 'gets the share that is configured',
  turn: 'takes its turn',
  override: 'is set by the operator',
  'last-known': 'served last; nothing serves now',
  'nothing-serves': 'is told of although nothing serves',
  behind: 'stands behind, should the first fail',
} as const;

export type ReasonCode = keyof typeof SENTENCES;

interface About {
  readonly score: number;
  readonly cost: Cost;
}

export class Reason {
  readonly code: ReasonCode;
  private readonly about: About;
  private readonly share: number;

  /** `share`: 0…1 of the place's clients. */
  constructor(code: ReasonCode, about: About, share: number) {
    this.code = code;
    this.about = about;
    this.share = share;
  }

  /** Put together when somebody reads it: answers are made more often than explained. */
  get sentence(): string {
    return sentenceOf(this.code, this.about, this.share);
  }
}

function sentenceOf(code: ReasonCode, { score, cost }: About, share: number): string {
  const percent = share > 0 ? `, ${Math.round(share * 100)} % of clients` : '';
  const { total, network, link, service, source, bottleneck } = cost;
  const via = bottleneck === undefined ? '' : ` ${bottleneck.name}`;
  const parts = `network ${ms(network)} (${source}), link${via} ${ms(link)}, service ${ms(service)}`;
  return `${SENTENCES[code]}${percent}: score ${score}, cost ${ms(total)} = ${parts}`;
}

const ms = (value: Millis): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
