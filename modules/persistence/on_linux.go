package persistence

// onLinux says whether the live machine is one that these modules know.
const onLinux = true

// onMac says whether it is one of which cron and startup know the places.
const onMac = false
