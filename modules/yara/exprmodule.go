package yara

// This file asks modules and goes over what they hold.

// varExpr is a variable of a loop.
type varExpr struct{ slot int }

func (e *varExpr) eval(r *run) Value { return r.vars[e.slot] }

// moduleExpr is what a module says of the content.
type moduleExpr struct{ index int }

func (e *moduleExpr) eval(r *run) Value {
	m := &r.modules[e.index]
	if !m.loaded {
		m.loaded = true
		m.val, m.err = r.rules.prog.modules[e.index].Load(&r.data)
		r.loaded = true
	}
	if m.err != nil {
		return r.fail(r.rules.prog.modules[e.index].Name + ": " + m.err.Error())
	}
	return m.val
}

type fieldExpr struct {
	of   expr
	name string
}

func (e *fieldExpr) eval(r *run) Value {
	get, ok := e.of.eval(r).ref.(func(string) (Value, error))
	if !ok {
		return Value{}
	}
	return r.checked(get(e.name))
}

// checked is what a module gave.
func (r *run) checked(v Value, err error) Value {
	r.spend(4)
	if err != nil {
		return r.fail(err.Error())
	}
	return v
}

type indexExpr struct{ of, index expr }

func (e *indexExpr) eval(r *run) Value {
	of, i := e.of.eval(r), e.index.eval(r)
	if !i.IsDefined() {
		return Value{}
	}
	return r.element(of, i)
}

// element is a value of an array, or of a dictionary.
func (r *run) element(of, i Value) Value {
	switch get := of.ref.(type) {
	case func(int) (Value, error):
		if i.Int() < 0 || uint64(i.Int()) >= of.num {
			return Value{}
		}
		return r.checked(get(int(i.Int())))
	case *Dictionary:
		for _, k := range get.Keys {
			if k == i.text {
				return r.checked(get.At(k))
			}
		}
	}
	return Value{}
}

type callExpr struct {
	of   expr
	args []expr
}

func (e *callExpr) eval(r *run) Value {
	var few [4]Value
	args := few[:0]
	for _, a := range e.args {
		v := a.eval(r)
		if !v.IsDefined() {
			return v
		}
		args = append(args, v)
	}
	call, ok := e.of.eval(r).ref.(func([]Value) (Value, error))
	if !ok {
		return Value{}
	}
	r.spend(16)
	return r.checked(call(args))
}

// forInExpr is "for q vars in iter : (body)".
type forInExpr struct {
	q      quant
	slot   int // of the first variable
	lo, hi expr
	list   []expr
	of     expr
	body   expr
	cost   int64 // of the body, in steps
}

func (e *forInExpr) eval(r *run) Value {
	n := e.q.number(r)
	var t tally
	one := func() bool {
		r.spend(e.cost)
		t.add(truth(e.body.eval(r)))
		return r.why == "" && !e.q.settled(n, &t, -1)
	}
	if defined := e.each(r, one); !defined || t.total == 0 {
		return Boolean(false)
	}
	return e.q.holds(n, t.found, t.total)
}

// each sets the variables to what there is, one after the other, until yield
// returns false. It returns false where there is nothing to go over.
func (e *forInExpr) each(r *run, yield func() bool) bool {
	switch {
	case e.lo != nil:
		lo, hi := e.lo.eval(r), e.hi.eval(r)
		if lo.kind != Int || hi.kind != Int {
			return false
		}
		for i := lo.Int(); i <= hi.Int(); i++ {
			if r.vars[e.slot] = Integer(i); !yield() || i == hi.Int() {
				break
			}
		}
		return true
	case e.list != nil:
		for _, x := range e.list {
			if r.vars[e.slot] = x.eval(r); !yield() {
				break
			}
		}
		return true
	}
	of := e.of.eval(r)
	switch get := of.ref.(type) {
	case func(int) (Value, error):
		for i := range of.num {
			if r.vars[e.slot] = r.checked(get(int(i))); !yield() {
				break
			}
		}
		return true
	case *Dictionary:
		for _, k := range get.Keys {
			r.vars[e.slot], r.vars[e.slot+1] = Text(k), r.checked(get.At(k))
			if !yield() {
				break
			}
		}
		return true
	}
	return false
}
