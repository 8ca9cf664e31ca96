/**
 * The shape that all drivers share (design: reconcilers). A driver takes the whole wanted state, compares it with what it
 * last reached (or, at the start, with what it finds in the kernel), adds before it deletes, and says what it really reached.
 */
export interface Driver<WantedState, ReachedState> {
  /**
   * Brings the world to `wanted`. Never called again before it settles. It resolves with what was really reached, also when only
   * part of it was (then `problems` says what failed, in sentences); it rejects only for a defect. On the way it may say what it
   * has reached so far (not in its first call), and wait until what hangs on that has had its turn: then what needs only a part does
   * not wait for all.
   */
  apply(
    wanted: WantedState,
    onPart?: (reached: ReachedState) => Promise<void>,
  ): Promise<{ readonly reached: ReachedState; readonly problems: readonly string[] }>;
  /** Takes out everything that it ever put in, and closes. */
  release(): Promise<void>;
  /** Closes and leaves everything as it is (for a restart). */
  detach(): void;
}
