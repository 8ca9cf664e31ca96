/**
 * What is due next, among tens of thousands: a binary heap whose members know their place, so that one is moved or taken out in
 * logarithmic time. One timer of the host serves them all.
 */

/** A member; only the heap writes `place` (-1 = not in it). */
export interface Due {
  due: number;
  place: number;
}

export class DueHeap<T extends Due> {
  private readonly members: T[] = [];

  get size(): number {
    return this.members.length;
  }

  /** The one that is due first. */
  peek(): T | undefined {
    return this.members[0];
  }

  /** Puts it in, or moves it, to be due at `due`. */
  set(member: T, due: number): void {
    member.due = due;
    if (member.place < 0) {
      member.place = this.members.length;
      this.members.push(member);
    }
    this.down(this.up(member));
  }

  /** Takes it out; nothing happens if it is not in. */
  remove(member: T): void {
    if (member.place < 0) return;
    const last = this.members.pop()!;
    if (last !== member) {
      this.seat(last, member.place);
      this.down(this.up(last));
    }
    member.place = -1;
  }

  private seat(member: T, place: number): void {
    this.members[place] = member;
    member.place = place;
  }

  private up(member: T): T {
    let place = member.place;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.members[parent]!;
      if (above.due <= member.due) break;
      this.seat(above, place);
      place = parent;
    }
    this.seat(member, place);
    return member;
  }

  private down(member: T): void {
    let place = member.place;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.members.length) break;
      if (child + 1 < this.members.length && this.members[child + 1]!.due < this.members[child]!.due) child++;
      const below = this.members[child]!;
      if (below.due >= member.due) break;
      this.seat(below, place);
      place = child;
    }
    this.seat(member, place);
  }
}
