/** Whatever ends and cleans up after itself: a test, or a test that its subtests share things of. */
export interface Lifetime {
  after(clean: () => unknown): void
}
