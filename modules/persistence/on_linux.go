package persistence

// onLinux says whether the live machine is one that these modules know.
const onLinux = true
