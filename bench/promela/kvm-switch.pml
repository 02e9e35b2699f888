/*
 * The world switch of KVM 5.8 to 6.18, written by hand from the same sources as the C# protocols
 * kvm-vmx-5.8 and kvm-svm-5.8 and compared with them: same verdicts, same number of states.
 *
 *   -DVMX or -DSVM        which one
 *   -DN=1 or -DN=2        as many vCPUs as processors
 *   -DEVENTS=n            1 nmi, 2 irq, 4 preempt, 8 get-xsave, 16 set-xsave, 32 signal,
 *                         64 machine-check, 128 smi, 256 set-xsave-keep
 *   -DCHECK=n             assert invariant n (1 to 7, below); 0 asserts nothing and counts states
 *   -DNO_CR4_INTERCEPT    the broken variant
 */
#ifndef N
#define N 1
#endif
#ifndef EVENTS
#define EVENTS 63
#endif
#ifndef CHECK
#define CHECK 0
#endif

/* Invariants, in the order of Invariants.All. */
#define GUEST_OBSERVES 1
#define USER_ACCESS    2
#define PKRU_LOST      3
#define GUEST_XCR0     4
#define GUEST_XSS      5
#define XFD_ERR        6
#define XINUSE         7

/* PKRU values. */
#define INITIAL 0
#define HOST    1
#define GUEST   2

/* XCR0: 0 is the host's value, with PKRU and tiles; 1 is without. IA32_XSS: 0 host, 1 zero, 2 CET. */

/* Worlds. */
#define KERNEL   0
#define USER     1
#define INGUEST  2
#define OTHER    3

/* Exit reasons. */
#define ORDINARY 0
#define NMI      1
#define NM       2
#define MC       3

/* Places of the thread. */
#define L_USER       0
#define L_LOADVCPU   1
#define L_LOADFPU    2
#define L_ENTER      3
#define L_FPURETURN  4
#define L_LOADERR    5
#define L_CLGI       6
#define L_GXCR0      7
#define L_GXSS       8
#define L_GPKRU      9
#define L_VMENTRY   10
#define L_GUEST     11
#define L_NMIEXIT   12
#define L_SAVEPKRU  13
#define L_HPKRU     14
#define L_HXCR0     15
#define L_HXSS      16
#define L_STGI      17
#define L_SYNCXFD   18
#define L_SAVEERR   19
#define L_CLEARERR  20
#define L_IRQON     21
#define L_HANDLE    22
#define L_PUTFPU    23

typedef Vcpu {
	byte loc = L_USER;
	byte away = 0;      /* 0: on a processor; 1: preempted */
	byte shift = 0;     /* processor = (own number + shift) mod N; 0 while preempted */
	bit pke = 0;
	bit osxsave = 0;
	bit xcr0 = 1;
	byte xss = 1;
	byte saved = INITIAL;
	byte hostpkru = HOST;
	byte threadpkru = HOST;
	bit xfd = 0;
	bit savederr = 0;
	bit image = 0;
	bit needfpu = 0;
	byte reason = ORDINARY;
	byte expected = INITIAL;
	bit expectederr = 0
}

typedef Cpu {
	byte pkru = HOST;
	bit inuse = 1;
	bit xcr0 = 0;
	byte xss = 0;
	bit xfd = 1;
	bit err = 0;
	bit gif = 1;
	bit intr = 1;
	bit nmiblocked = 0;
	bit preemptoff = 0;
	byte world = USER
}

Vcpu vc[N];
Cpu cp[N];

#define V vc[_pid]
#define C cp[(_pid + V.shift) % N]
#define AT(l) (!V.away && V.loc == l)
#define EVENT(e) ((EVENTS & e) != 0)
#define NEEDED (V.pke || V.xcr0 == 0)

inline broken(i) {
	if
	:: (CHECK == i) -> assert(false)
	:: else
	fi
}

inline host_saves_fpu() {
	if
	:: (C.xcr0 != 0) -> broken(GUEST_XCR0)
	:: else
	fi;
	if
	:: (C.xss != 0) -> broken(GUEST_XSS)
	:: else
	fi
}

inline host_reads_user_memory() {
	if
	:: (C.pkru != HOST) -> broken(USER_ACCESS)
	:: else
	fi
}

inline host_may_read_err() {
	if
	:: (C.err) -> broken(XFD_ERR)
	:: else
	fi
}

/* WRPKRU: XINUSE[9] stays 1 on Intel, and follows the value on AMD. */
inline wrpkru(value) {
	C.pkru = value;
#ifdef VMX
	C.inuse = 1
#else
	C.inuse = (C.pkru != INITIAL)
#endif
}

inline observe() {
	if
	:: (C.pkru != V.expected) -> broken(GUEST_OBSERVES)
	:: else
	fi
}

inline leave(why) {
	C.world = KERNEL;
	V.reason = why;
#ifdef SVM
	C.gif = 0
#else
	if
	:: (why == NMI) -> C.nmiblocked = 1
	:: else
	fi
#endif
}

inline save_current() {
	host_saves_fpu();
	if
	:: (V.loc >= L_ENTER) -> V.image = (C.xcr0 == 0 && C.inuse)
	:: else
	fi;
	V.needfpu = 1
}

inline load_guest_fpu() {
	host_saves_fpu();
	C.xfd = V.xfd;
	V.needfpu = 0;
	V.image = 0
}

/* The thread is put on processor number _pid + s, which must run another task. */
#define RESUME(s) \
	:: d_step { (V.away && cp[(_pid + s) % N].world == OTHER) -> \
		V.away = 0; V.shift = s; \
		host_saves_fpu(); \
		if :: (C.pkru != V.threadpkru) -> wrpkru(V.threadpkru) :: else fi; \
		if :: (V.loc == L_USER) -> C.world = USER; V.needfpu = 0 \
		   :: else -> C.world = KERNEL; V.hostpkru = C.pkru fi }

#define GUEST_WRITES(value) \
	:: d_step { (AT(L_GUEST) && V.pke) -> wrpkru(value); V.expected = value } \
	:: d_step { (AT(L_GUEST) && V.osxsave && C.xcr0 == 0) -> C.pkru = value; C.inuse = (value != INITIAL); V.expected = value }

#define SET_XSAVE(value) \
	:: d_step { (EVENT(16) && AT(L_USER)) -> V.saved = value; V.expected = value; V.image = 1 }

active [N] proctype thread() {
	do
	/* user space */
	:: d_step { AT(L_USER) -> C.world = KERNEL; V.loc = L_LOADVCPU }
	:: d_step { AT(L_USER) -> host_reads_user_memory() }
	:: d_step { (EVENT(8) && AT(L_USER)) ->
		if
		:: (!V.image && V.saved != INITIAL) -> broken(XINUSE)
		:: else
		fi;
		if
		:: ((V.image -> V.saved : INITIAL) != V.expected) -> broken(PKRU_LOST)
		:: else
		fi }
	SET_XSAVE(INITIAL)
	SET_XSAVE(GUEST)
	:: d_step { (EVENT(256) && AT(L_USER)) -> V.image = 0 }
	:: d_step { (EVENT(32) && AT(L_USER)) -> host_saves_fpu(); host_reads_user_memory(); host_may_read_err() }

	/* KVM_RUN */
	:: d_step { AT(L_LOADVCPU) -> V.hostpkru = C.pkru; V.loc = L_LOADFPU }
	:: d_step { AT(L_LOADFPU) -> load_guest_fpu(); V.loc = L_ENTER }
	:: d_step { AT(L_ENTER) -> C.preemptoff = 1; C.intr = 0; V.loc = L_FPURETURN }
	:: d_step { AT(L_FPURETURN) ->
		if
		:: V.needfpu -> load_guest_fpu()
		:: else
		fi;
#ifdef VMX
		V.loc = L_LOADERR }
	:: d_step { AT(L_LOADERR) -> C.err = (C.err || V.savederr); V.loc = L_GXCR0 }
#else
		V.loc = L_CLGI }
	:: d_step { AT(L_CLGI) -> C.gif = 0; V.loc = L_GXCR0 }
#endif
	:: d_step { AT(L_GXCR0) ->
		if
		:: V.osxsave -> C.xcr0 = V.xcr0
		:: else
		fi;
		V.loc = L_GXSS }
	:: d_step { AT(L_GXSS) ->
		if
		:: V.osxsave -> C.xss = V.xss
		:: else
		fi;
		V.loc = L_GPKRU }
	:: d_step { AT(L_GPKRU) ->
		if
		:: (NEEDED && V.saved != V.hostpkru && C.pkru != V.saved) -> wrpkru(V.saved)
		:: else
		fi;
		V.loc = L_VMENTRY }
	:: d_step { AT(L_VMENTRY) -> C.world = INGUEST; C.gif = 1; V.loc = L_GUEST }

	/* the guest */
	:: d_step { AT(L_GUEST) -> leave(ORDINARY); V.loc = L_SAVEPKRU }
	:: d_step { (AT(L_GUEST) && V.pke) -> observe() }
	:: d_step { (AT(L_GUEST) && V.osxsave && C.xcr0 == 0) ->
		observe();
		if
		:: (!C.inuse && V.expected != INITIAL) -> broken(XINUSE)
		:: else
		fi }
	GUEST_WRITES(INITIAL)
	GUEST_WRITES(HOST)
	GUEST_WRITES(GUEST)
#ifdef NO_CR4_INTERCEPT
	:: d_step { AT(L_GUEST) -> V.pke = !V.pke }
	:: d_step { AT(L_GUEST) -> V.osxsave = !V.osxsave }
#endif
#ifdef VMX
	:: d_step { AT(L_GUEST) -> C.xfd = !C.xfd }
	:: d_step { (AT(L_GUEST) && C.err != V.expectederr) -> broken(XFD_ERR) }
	:: d_step { (AT(L_GUEST) && V.osxsave && C.xcr0 == 0 && C.xfd) ->
		C.err = 1; V.expectederr = 1; leave(NM); V.loc = L_SAVEPKRU }
	:: d_step { (EVENT(1) && AT(L_GUEST)) -> leave(NMI); V.loc = L_NMIEXIT }
	:: d_step { AT(L_NMIEXIT) -> V.reason = ORDINARY; C.nmiblocked = 0; V.loc = L_SAVEPKRU }
#else
	:: d_step { (EVENT(1) && AT(L_GUEST)) -> leave(ORDINARY); V.loc = L_SAVEPKRU }
	:: d_step { (EVENT(128) && AT(L_GUEST)) -> leave(ORDINARY); V.loc = L_SAVEPKRU }
#endif
	:: d_step { (EVENT(64) && AT(L_GUEST)) -> leave(MC); V.loc = L_SAVEPKRU }

	/* after the exit */
	:: d_step { AT(L_SAVEPKRU) ->
		if
		:: NEEDED -> V.saved = C.pkru
		:: else
		fi;
		V.loc = L_HPKRU }
	:: d_step { AT(L_HPKRU) ->
		if
		:: (NEEDED && V.saved != V.hostpkru && C.pkru != V.hostpkru) -> wrpkru(V.hostpkru)
		:: else
		fi;
		V.loc = L_HXCR0 }
	:: d_step { AT(L_HXCR0) ->
		if
		:: (V.osxsave && V.xcr0 != 0) -> C.xcr0 = 0
		:: else
		fi;
		V.loc = L_HXSS }
	:: d_step { AT(L_HXSS) ->
		if
		:: V.osxsave -> C.xss = 0
		:: else
		fi;
#ifdef VMX
		V.loc = L_SYNCXFD }
	:: d_step { AT(L_SYNCXFD) -> V.xfd = C.xfd; V.loc = L_SAVEERR }
	:: d_step { AT(L_SAVEERR) ->
		if
		:: (V.reason == NM) -> V.savederr = C.err
		:: else
		fi;
		V.loc = L_CLEARERR }
	:: d_step { AT(L_CLEARERR) ->
		if
		:: V.savederr -> C.err = 0
		:: else
		fi;
		V.loc = L_IRQON }
#else
		V.loc = L_STGI }
	:: d_step { AT(L_STGI) -> C.gif = 1; V.loc = L_IRQON }
#endif
	:: d_step { AT(L_IRQON) ->
		C.intr = 1; C.preemptoff = 0; V.reason = ORDINARY;
		if
		:: (V.saved != V.expected) -> broken(PKRU_LOST)
		:: else
		fi;
		host_may_read_err();
		V.loc = L_HANDLE }

	/* handling the exit */
	:: d_step { AT(L_HANDLE) -> host_reads_user_memory() }
	:: d_step { AT(L_HANDLE) -> V.loc = L_ENTER }
#ifndef NO_CR4_INTERCEPT
	:: d_step { AT(L_HANDLE) -> V.osxsave = !V.osxsave; V.loc = L_ENTER }
	:: d_step { AT(L_HANDLE) -> V.pke = !V.pke; V.loc = L_ENTER }
#endif
	:: d_step { (AT(L_HANDLE) && V.osxsave) -> V.xcr0 = !V.xcr0; V.loc = L_ENTER }
	:: d_step { AT(L_HANDLE) -> V.xss = 3 - V.xss; V.loc = L_ENTER }
#ifdef VMX
	:: d_step { (AT(L_HANDLE) && V.savederr) -> V.savederr = 0; V.expectederr = 0; V.loc = L_ENTER }
#endif
	:: d_step { AT(L_HANDLE) -> V.loc = L_PUTFPU }
	:: d_step { AT(L_PUTFPU) ->
		host_saves_fpu();
		if
		:: (!V.needfpu) -> V.image = (C.xcr0 == 0 && C.inuse)
		:: else
		fi;
		V.needfpu = 0; C.xfd = 1; C.world = USER; V.loc = L_USER }

	/* events */
	:: d_step { (EVENT(1) && !V.away && C.gif && !C.nmiblocked && C.world != INGUEST) -> host_reads_user_memory() }
	:: d_step { (EVENT(2) && !V.away && C.gif && C.intr && C.world != INGUEST) ->
		host_may_read_err();
		if
		:: (!V.needfpu) -> save_current()
		:: else
		fi;
		if
		:: (C.world == USER) -> V.needfpu = 0
		:: else
		fi }
	:: d_step { (EVENT(4) && !V.away && C.gif && C.intr && !C.preemptoff && C.world != INGUEST) ->
		host_may_read_err();
		if
		:: (!V.needfpu) -> save_current()
		:: else
		fi;
		V.threadpkru = C.pkru;
		if
		:: (C.pkru != HOST) -> wrpkru(HOST)
		:: else
		fi;
		C.xfd = 1; C.world = OTHER; V.away = 1; V.shift = 0 }
	RESUME(0)
#if N > 1
	RESUME(1)
#endif
	od
}
