//! From calls to copies of arguments and a jump; each function is lowered once for the pointers it is given.

use naga::{Expression, Function, Handle};

use super::lower::{Argument, Frame, Lowered, Lowering};
use super::program::Code;

impl<'a> Lowering<'a> {
    /// Lowers the function with these arguments once, and copies the arguments. Returns its number.
    pub(super) fn call(
        &mut self,
        frame: &mut Frame<'a>,
        handle: Handle<Function>,
        arguments: &[Handle<Expression>],
    ) -> Result<usize, String> {
        let function = &self.module.functions[handle];
        let mut pointers = Vec::new();
        let mut values = Vec::new();
        for (&argument, declared) in arguments.iter().zip(&function.arguments) {
            if self.inner(declared.ty).pointer_space().is_some() {
                pointers.push(Some(self.pointer(frame, argument)?));
                values.push(None);
            } else {
                pointers.push(None);
                values.push(Some(self.value(frame, argument)?));
            }
        }
        let found = self.known.iter().position(|k| k.handle == handle && k.pointers == pointers);
        let at = match found {
            Some(at) => at,
            None => {
                let line = self.line;
                let mut formal = Vec::new();
                for (declared, pointer) in function.arguments.iter().zip(&pointers) {
                    formal.push(match pointer {
                        Some(pointer) => Argument::Pointer(pointer.clone()),
                        None => Argument::Operand(self.allocate(declared.ty)?),
                    });
                }
                let mut inner = self.frame(function, &self.info[handle], formal.clone())?;
                let caller = std::mem::take(&mut self.code);
                let nodes = self.body(&mut inner, 0);
                let callee = std::mem::replace(&mut self.code, caller);
                let number = self.functions.len();
                self.functions.push(Code { nodes: nodes?, ..callee });
                self.known.push(Lowered { handle, pointers, number, arguments: formal, result: inner.result });
                self.line = line;
                self.known.len() - 1
            }
        };
        let formal = self.known[at].arguments.clone();
        for (formal, value) in formal.iter().zip(values) {
            if let (Argument::Operand(formal), Some(value)) = (formal, value) {
                self.assign(formal, &value)?;
            }
        }
        Ok(self.known[at].number)
    }
}
