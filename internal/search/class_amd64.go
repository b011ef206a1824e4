package search

// classMin is the number of positions below which the vector kernel cannot be
// called: it looks at 64 at once.
const classMin = 64

//go:noescape
func classAVX2(p *byte, n int, t *classTest, count int) int

// classVector is classes.portable in AVX2; n is at least classMin, there are
// at least two tests, and b holds n bytes from each test's place on.
func classVector(b []byte, n int, tests []classTest) int {
	_ = tests[1]
	for i := range tests {
		_ = b[n+tests[i].at-1]
	}
	return classAVX2(&b[0], n, &tests[0], len(tests))
}
