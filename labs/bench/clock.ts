/** One clock for all processes of this machine, whatever namespace they are in: CLOCK_MONOTONIC, in milliseconds. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;
