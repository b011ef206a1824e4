// Command sandbox measures what the child costs that looks for an agent, and
// how well the agent holds it to its share of a processor:
//
//	go run ./bench/sandbox [-dir DIR] [-rounds 9]
//
// A literal is searched below a folder by turns in this process and in a
// child of it, and processor time is compared, since others use the machine,
// too. Then a scan that never ends is given 10 % of a processor, for ten
// seconds on the machine as it is and for ten beside two processes that take
// all they get.
package main
