/** What the notices' two halves count, by name; for metrics. */
export class Counters {
  private readonly counts = new Map<string, number>();

  add(name: string): void {
    this.counts.set(name, this.get(name) + 1);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  all(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.counts);
  }
}
