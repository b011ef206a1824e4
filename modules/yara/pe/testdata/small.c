/* A library that does nothing, for the tests of modules/yara/pe. */
__declspec(dllimport) unsigned __stdcall GetTickCount(void);
__declspec(dllimport) int __stdcall WSAGetLastError(void);
__declspec(dllexport) unsigned Ticks(void) { return GetTickCount(); }
__declspec(dllexport) int Wrong(void) { return WSAGetLastError(); }
int __stdcall DllMainCRTStartup(void *m, unsigned r, void *p) { return 1; }
