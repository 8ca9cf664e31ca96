/** How frames leave an interface for the line program, and how that is undone: nftables' text. Pure. */

/** The tap of an interface; IFNAMSIZ leaves room for `eth12345`. */
export const tapOf = (name: string): string => `wan-${name}`;

/** Frames that have been through the line: "wan". A mark does not leave a namespace, so no other frame has it. */
export const MARK = 0x77616e;

/** All that is sent goes to the tap. Behind `cut` (scenarios/cut.ts), so that a link that is cut is cut. */
export const hook = (name: string): string =>
  `table netdev ${tapOf(name)} {
  chain egress {
    type filter hook egress device "${name}" priority 0;
    meta mark ${MARK} accept
    fwd to "${tapOf(name)}"
  }
}
`;

/** Undoes it. */
export const unhook = (name: string): readonly string[] => ['nft', 'delete', 'table', 'netdev', tapOf(name)];
